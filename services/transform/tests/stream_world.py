"""A stream under test: records by hand, time by hand, landed in a folder."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.coders import PickleCoder
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue

from tidemill_contracts.profile import ColumnType
from tidemill_runtime.folder import FolderStore
from tidemill_transform.streaming.packing import Packer, PaneReport
from tidemill_transform.streaming.records import Record
from tidemill_transform.streaming.settings import IN_PROCESS
from tidemill_transform.streaming.stream import Stream, build_stream
from tidemill_transform.streaming.windows import Windows

TYPES: Mapping[str, ColumnType] = {"distance": "int", "carrier": "string"}
WINDOW_SECONDS = 60
LATENESS_SECONDS = 600
AFTER_ALL = 100_000
# A full hour, so that windows begin at round times.
BEGIN = 1_700_000_000 // 3600 * 3600


def a_record(number: int, at: float, data: bytes | None = None, *, published: float | None = None) -> Record:
    """Make a record that says its number, of an event so many seconds after the beginning."""
    content = json.dumps({"distance": number, "carrier": "UA"}).encode() if data is None else data
    return Record(content, f"m{number}", BEGIN + (at if published is None else published), BEGIN + at)


class ShownTime:
    """What the clock shows: when the newest record was published."""

    seconds = float(BEGIN)

    @classmethod
    def show(cls, record: Record) -> Record:
        """Let the clock go on."""
        cls.seconds = max(cls.seconds, record.published)
        return record


def shown_time() -> float:
    """Return what the clock shows."""
    return ShownTime.seconds


class Script:
    """What a source gives, in order."""

    def __init__(self) -> None:
        self.stream = TestStream(coder=PickleCoder())
        self.message_ids: set[str] = set()

    def records(self, *records: Record) -> "Script":
        """Let records arrive together."""
        self.message_ids.update(record.message_id for record in records)
        self.stream.add_elements([TimestampedValue(each, each.published) for each in records])
        return self

    def watermark(self, at: float) -> "Script":
        """Let event time come so far, in seconds after the beginning."""
        self.stream.advance_watermark_to(BEGIN + at)
        return self

    def end(self) -> beam.PTransform[Any, Any]:
        """Let every window end, then the stream: in-process, Beam drops what timers give at the very end."""
        stream = self.watermark(AFTER_ALL).stream.advance_watermark_to_infinity()
        source: beam.PTransform[Any, Any] = stream | beam.Map(ShownTime.show)
        return source


class StreamWorld:
    """A bucket, and a stream that lands in it."""

    def __init__(self, root: Path, max_rows: int = 1000) -> None:
        ShownTime.seconds = float(BEGIN)
        self.store = FolderStore(root)
        self.settled = root.parent / "settled"
        self.stream = Stream(
            windows=Windows(WINDOW_SECONDS, LATENESS_SECONDS, out_of_order_seconds=10),
            packer=Packer("flights", WINDOW_SECONDS, TYPES),
            max_rows=max_rows,
            bucket_url=root.as_uri(),
            clock=shown_time,
        )

    def run(self, source: beam.PTransform[Any, Any], *options: str) -> None:
        """Run the stream on a source that ends."""
        settle = beam.Map(partial(note, self.settled))
        with beam.Pipeline(options=PipelineOptions([*(options or IN_PROCESS)])) as pipeline:
            build_stream(pipeline, self.stream, source, settle)

    def settled_ids(self) -> list[str]:
        """Name the messages that were settled."""
        return self.settled.read_text().split() if self.settled.exists() else []

    def reports(self) -> list[PaneReport]:
        """Read the report of every pane, by window and number."""
        names = [name for name in self.store.list("streams/") if name.endswith(".json")]
        return [PaneReport.model_validate_json(self.store.read(name)) for name in names]

    def panes(self) -> Iterator[tuple[float, list[int]]]:
        """Yield each drop: the start of its window in seconds after the beginning, and the numbers in it."""
        for report in self.reports():
            if report.drop is not None:
                start = (report.window_start - datetime.fromtimestamp(BEGIN, UTC)).total_seconds()
                yield start, self.table(report.drop)["distance"].to_pylist()

    def table(self, name: str) -> pa.Table:
        """Read an object that is Parquet."""
        return pq.read_table(self.store.uri(name))


def note(file: Path, message_ids: tuple[str, ...]) -> None:
    """Write down which messages were settled."""
    with file.open("a") as notes:
        notes.write(" ".join(message_ids) + "\n")
