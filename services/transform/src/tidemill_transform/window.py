"""A window of spans: the newest one, and those before it that its pipeline wants and that can be labelled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import Column, SpanManifest, content_id
from tidemill_contracts.pipeline import Data, PipelineSpec
from tidemill_contracts.profile import ColumnType, Task
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence as Numbers
from tidemill_transform.columns import schema_of, union
from tidemill_transform.errors import Unfit
from tidemill_transform.label import check_label

# Part of every dataset's address: raise it when the same spans and spec would give other rows or features.
CODE_VERSION = "transform-2"
DATA_FILE = "data.parquet"
# Clients of Cloud Storage hold ten connections.
CONCURRENT_READS = 10


@dataclass(frozen=True)
class Window:
    """Some spans of a pipeline, by number and in order; never empty. `declared` types are the spec's."""

    pipeline: str
    spec_digest: str
    spans: Mapping[int, SpanManifest]
    declared: Mapping[str, ColumnType]

    @property
    def newest(self) -> int:
        """Number of the newest span."""
        return max(self.spans)

    @property
    def dataset_id(self) -> str:
        """Address of the dataset version that this window becomes."""
        return content_id(*(span.span_id for span in self.spans.values()), self.spec_digest, CODE_VERSION)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column of the spans that may be used, in its widest type."""
        return union(self.spans.values(), self.declared)

    @property
    def restricted_columns(self) -> tuple[str, ...]:
        """Columns that are not stored in clear in some span."""
        columns = (column for span in self.spans.values() for column in span.columns)
        return tuple(dict.fromkeys(column.name for column in columns if column.privacy != "keep"))

    def data_name(self, span: int) -> str:
        """Name the object that holds a span's rows."""
        return layout.span(self.pipeline, self.spans[span].span_id, DATA_FILE)


def read_window(
    store: ObjectStore, pipeline: str, spec_digest: str, newest: int, spec: PipelineSpec
) -> Window:
    """Read the spans up to a number; raise RetryLater while ingest is still at one of them.

    Earlier spans that cannot carry the label of the newest are left out, so that none spoils those after it.
    The newest always stays: whether it is fit is for the checks of the dataset to say, with the reason.
    """

    def read(number: int) -> SpanManifest:
        return _manifest(store, pipeline, number)

    spans = {newest: read(newest)}
    task_of = cache(lambda columns: _task(spec, columns))
    task = task_of(spans[newest].stored_columns)
    if task is not None and _wants(spec.data, newest):
        # Every number below one that was given was given too.
        earlier = [number for number in range(newest - 1, 0, -1) if _wants(spec.data, number)]
        more = None if spec.data.last is None else spec.data.last - 1
        spans.update(_read_until(more, earlier, read, lambda span: task_of(span.stored_columns) == task))
    declared = {name: column.type for name, column in spec.columns.items() if column.type is not None}
    return Window(pipeline, spec_digest, dict(sorted(spans.items())), declared)


def check_newest(newest: int, data: Data) -> None:
    """Raise Unfit when the span that caused a dataset version is itself not wanted."""
    if not _wants(data, newest):
        message = f"expected a span that {data.model_dump_json(by_alias=True)} asks for, received {newest}"
        raise Unfit(Reason(code="span-excluded", message=message))


def _wants(data: Data, number: int) -> bool:
    return number >= (data.since or number) and number not in data.exclude


def _task(spec: PipelineSpec, columns: tuple[Column, ...]) -> Task | None:
    try:
        return check_label(spec.label, schema_of(columns), spec.task).task
    except Unfit:
        return None


def _read_until(
    wanted: int | None,
    numbers: Sequence[int],
    read: Callable[[int], SpanManifest],
    fits: Callable[[SpanManifest], bool],
) -> Iterator[tuple[int, SpanManifest]]:
    """Yield the first fitting spans, as many as are wanted (None: all), and read hardly any others."""
    with ThreadPoolExecutor(CONCURRENT_READS, thread_name_prefix="spans") as readers:
        while numbers and wanted != 0:
            some, numbers = numbers[:wanted], numbers[wanted:] if wanted else ()
            read_spans = zip(some, readers.map(read, some), strict=True)
            found = [(number, span) for number, span in read_spans if fits(span)]
            yield from found
            wanted = None if wanted is None else wanted - len(found)


def _manifest(store: ObjectStore, pipeline: str, number: int) -> SpanManifest:
    try:
        span_id = Numbers(store, layout.SPAN_SEQUENCE, pipeline).key(number)
        name = layout.span(pipeline, span_id, "manifest.json")
        return SpanManifest.model_validate_json(store.read(name))
    except ObjectNotFound as error:
        raise RetryLater(f"expected span {number} of {pipeline} to be committed: {error}") from error
