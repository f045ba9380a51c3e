"""A bucket with spans as ingest writes them, and the real handler over it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.columns import Privacy
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import TYPE_NAMES, DatasetIngested, DatasetTransformed, RetrainRequested
from tidemill_contracts.manifest import Column, DatasetManifest, SpanManifest, content_id
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.profile import ColumnType, Profile
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence as Numbers
from tidemill_transform.app import load_engine
from tidemill_transform.columns import ARROW_TYPES
from tidemill_transform.handlers import Engine, Transform, handlers
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.warehouse import ParquetWarehouse

ROWS = 300
TYPES: Mapping[str, ColumnType] = {"distance": "int", "carrier": "string", "delay": "float", "leak": "float"}
Columns = dict[str, Sequence[Any]]


class World:
    """A bucket with one pipeline."""

    def __init__(self, folder: Path, store: FolderStore | None = None) -> None:
        self.store = store or FolderStore(folder / "bucket")
        self.warehouse = folder / "bucket" / "warehouse"

    def tell(self, event: Event, engine: Engine | None = None) -> EventData:
        """Hand an event to the handler; return the one event that it tells."""
        run = engine or load_engine()
        transform = Transform(self.store, ParquetWarehouse(self.store), lambda: run, IN_MEMORY)
        (outcome,) = handlers(transform)[type(event.data)](event)
        return outcome

    def objects(self) -> dict[str, int]:
        return {name: self.store.stat(name).generation for name in self.store.list("")}

    def contents(self) -> dict[str, bytes]:
        """Every object's content, but for what depends on how long work took, and on the order of events."""
        numbers = layout.sequence_entry(layout.DATASET_SEQUENCE, "flights", 0).rpartition("/")[0]
        names = [name for name in self.store.list("") if not name.startswith(numbers)]
        return {name: _lasting(name, self.store.read(name)) for name in names}

    def dataset(self, told: EventData) -> DatasetManifest:
        return DatasetManifest.model_validate_json(self._read(told, "manifest.json"))

    def profile(self, told: EventData, file: str = "profile.json") -> Profile:
        return Profile.model_validate_json(self._read(told, file))

    def train(self, told: EventData) -> pa.Table:
        return self._rows(told, self.dataset(told).train_files)

    def held_out(self, told: EventData) -> pa.Table:
        return self._rows(told, self.dataset(told).eval_files)

    def rejects(self, told: EventData) -> pa.Table:
        return self._rows(told, self.dataset(told).reject_files)

    def _rows(self, told: EventData, files: Iterable[str]) -> pa.Table:
        return pa.concat_tables(pq.read_table(pa.BufferReader(self._read(told, file))) for file in files)

    def _read(self, told: EventData, file: str) -> bytes:
        assert isinstance(told, DatasetTransformed), told
        return self.store.read(layout.dataset(told.pipeline, told.dataset_id, file))


def _lasting(name: str, content: bytes) -> bytes:
    if name.endswith("report.html"):
        return b"it shows the number and what was found"
    if not name.startswith("datasets/") or not name.endswith(("manifest.json", "rejection.json")):
        return content
    passing = ("seconds", "dataset", "baseline", "anomalies")
    return json.dumps(
        {fact: value for fact, value in json.loads(content).items() if fact not in passing}
    ).encode()


def some_rows(first: int = 0, rows: int = ROWS) -> Columns:
    """Rows that differ from each other; every seventh has no delay, so no label."""
    numbers = range(first, first + rows)
    return {
        "distance": [number * 3 for number in numbers],
        "carrier": ["UA", "AA", None] * (rows // 3),
        "delay": [None if number % 7 == 0 else float(number % 31) for number in numbers],
        "leak": [number % 31 + 0.5 for number in numbers],
    }


def a_spec(**changes: object) -> Pipeline:
    spec = {"label": "delay >= 15", "leaveOut": ["leak"], **changes}
    return Pipeline.model_validate({"metadata": {"name": "flights"}, "spec": spec})


def a_span(
    store: FolderStore,
    columns: Columns | None = None,
    *,
    types: Mapping[str, ColumnType] | None = None,
    privacy: Mapping[str, Privacy] | None = None,
    spec: Pipeline | None = None,
    row_group_rows: int = ROWS,
) -> Event:
    """Write a span as ingest does, and return the event that ingest tells of it."""
    columns = columns or some_rows()
    types = {**TYPES, **(types or {})}
    spec = spec or a_spec()
    described = tuple(
        Column(name=name, type=types[name], privacy=(privacy or {}).get(name, "keep")) for name in columns
    )
    span_id = content_id(json.dumps(columns, default=str))
    manifest = SpanManifest(
        pipeline="flights",
        span_id=span_id,
        spec_digest=spec.digest(),
        object_name="drops/flights/a.csv",
        generation=1,
        size_bytes=1,
        rows=len(next(iter(columns.values()))),
        rows_rejected=0,
        columns=described,
    )
    rows = pa.table(
        {
            column.name: pa.array(columns[column.name], ARROW_TYPES[column.type])
            for column in manifest.stored_columns
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, row_group_size=row_group_rows)
    store.create(layout.span("flights", span_id, "data.parquet"), sink.getvalue().to_pybytes())
    store.create(layout.span("flights", span_id, "manifest.json"), manifest.model_dump_json().encode())
    store.create(layout.pinned_spec("flights", spec.digest()), spec.to_json().encode())
    number = Numbers(store, layout.SPAN_SEQUENCE, "flights").allocate(span_id)
    facts = manifest.model_dump(exclude={"columns", "size_bytes"})
    return an_event(DatasetIngested(**facts, span=number, columns=len(described), seconds=0))


def a_request(request_id: str, *, span: int | None = None, pipeline: str = "flights") -> Event:
    """The event of someone who asks for a new model."""
    return an_event(RetrainRequested(pipeline=pipeline, request_id=request_id, span=span))


def an_event(data: EventData) -> Event:
    """Wrap a fact as it travels."""
    return Event(
        type=TYPE_NAMES[type(data)],
        source="/tidemill/elsewhere",
        subject=data.subject,
        data=data,
        id=data.subject,
        time=datetime.now(UTC),
        correlation_id="c",
    )
