"""A window of spans: the newest one and all before it."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.manifest import Column, SpanManifest, content_id
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_transform.columns import union

# Part of every dataset's address: raise it when the same spans and spec would give other rows or features.
CODE_VERSION = "transform-1"
DATA_FILE = "data.parquet"


@dataclass(frozen=True)
class Window:
    """The spans of a pipeline up to one, by number and in order; never empty."""

    pipeline: str
    spec_digest: str
    spans: Mapping[int, SpanManifest]

    @property
    def newest(self) -> int:
        """Number of the newest span, which is also the dataset version's."""
        return max(self.spans)

    @property
    def dataset_id(self) -> str:
        """Address of the dataset version that this window becomes."""
        return content_id(*(span.span_id for span in self.spans.values()), self.spec_digest, CODE_VERSION)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column of the spans, in its widest type."""
        return union(self.spans.values())

    def data_name(self, span: int) -> str:
        """Name the object that holds a span's rows."""
        return layout.span(self.pipeline, self.spans[span].span_id, DATA_FILE)


def read_window(store: ObjectStore, pipeline: str, spec_digest: str, newest: int) -> Window:
    """Read all spans up to a number; raise RetryLater while ingest is still at one of them."""
    keys = Sequence(store, layout.SPAN_SEQUENCE, pipeline).keys()
    if newest not in keys:
        raise RetryLater(f"expected span {newest} of {pipeline} to have its number, spans are {list(keys)}")
    numbers = [number for number in sorted(keys) if number <= newest]
    spans = {number: _manifest(store, pipeline, keys[number]) for number in numbers}
    return Window(pipeline, spec_digest, spans)


def _manifest(store: ObjectStore, pipeline: str, span_id: str) -> SpanManifest:
    name = layout.span(pipeline, span_id, "manifest.json")
    try:
        return SpanManifest.model_validate_json(store.read(name))
    except ObjectNotFound as error:
        raise RetryLater(f"expected {name}, the span is not committed yet") from error
