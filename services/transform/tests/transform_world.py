"""A bucket with spans as ingest writes them, and the real handler over it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetIngested, DatasetTransformed
from tidemill_contracts.manifest import Column, DatasetManifest, SpanManifest, content_id
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.profile import ColumnType, Profile
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence as Numbers
from tidemill_transform.app import load_engine
from tidemill_transform.columns import ARROW_TYPES
from tidemill_transform.handlers import Engine, Transform
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.warehouse import ParquetWarehouse

ROWS = 300
TYPES: Mapping[str, ColumnType] = {"distance": "int", "carrier": "string", "delay": "float", "leak": "float"}
Columns = dict[str, Sequence[Any]]


class World:
    """A bucket with one pipeline."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "bucket")
        self.warehouse = folder / "bucket" / "warehouse"

    def tell(self, event: Event, engine: Engine | None = None) -> EventData:
        """Hand an event to the handler; return the one event that it tells."""
        run = engine or load_engine()
        (outcome,) = Transform(self.store, ParquetWarehouse(self.store), lambda: run, IN_MEMORY)(event)
        return outcome

    def objects(self) -> dict[str, int]:
        return {name: self.store.stat(name).generation for name in self.store.list("")}

    def contents(self) -> dict[str, bytes]:
        """Every object's content; of manifests, what does not depend on the time the work took."""
        found = {name: self.store.read(name) for name in self.store.list("")}
        manifests = [
            name for name in found if name.startswith("datasets/") and name.endswith("manifest.json")
        ]
        without_time = {name: DatasetManifest.model_validate_json(found[name]) for name in manifests}
        return found | {name: manifest.model_dump_json().encode() for name, manifest in without_time.items()}

    def dataset(self, told: EventData) -> DatasetManifest:
        return DatasetManifest.model_validate_json(self._read(told, "manifest.json"))

    def profile(self, told: EventData) -> Profile:
        return Profile.model_validate_json(self._read(told, "profile.json"))

    def train(self, told: EventData) -> pa.Table:
        return self._rows(told, self.dataset(told).train_files)

    def held_out(self, told: EventData) -> pa.Table:
        return self._rows(told, self.dataset(told).eval_files)

    def _rows(self, told: EventData, files: Iterable[str]) -> pa.Table:
        return pa.concat_tables(pq.read_table(pa.BufferReader(self._read(told, file))) for file in files)

    def _read(self, told: EventData, file: str) -> bytes:
        assert isinstance(told, DatasetTransformed), told
        return self.store.read(layout.dataset(told.pipeline, told.dataset_id, file))


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
    spec: Pipeline | None = None,
    row_group_rows: int = ROWS,
) -> Event:
    """Write a span as ingest does, and return the event that ingest tells of it."""
    columns = columns or some_rows()
    types = {**TYPES, **(types or {})}
    spec = spec or a_spec()
    rows = pa.table({name: pa.array(values, ARROW_TYPES[types[name]]) for name, values in columns.items()})
    span_id = content_id(json.dumps(columns))
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, row_group_size=row_group_rows)
    store.create(layout.span("flights", span_id, "data.parquet"), sink.getvalue().to_pybytes())
    manifest = SpanManifest(
        pipeline="flights",
        span_id=span_id,
        spec_digest=spec.digest(),
        object_name="drops/flights/a.csv",
        generation=1,
        size_bytes=1,
        rows=rows.num_rows,
        rows_rejected=0,
        columns=tuple(Column(name=name, type=types[name]) for name in columns),
    )
    store.create(layout.span("flights", span_id, "manifest.json"), manifest.model_dump_json().encode())
    store.create(layout.pinned_spec("flights", spec.digest()), spec.to_json().encode())
    number = Numbers(store, layout.SPAN_SEQUENCE, "flights").allocate(span_id)
    return _told_of(manifest, number)


def _told_of(span: SpanManifest, number: int) -> Event:
    facts = span.model_dump(exclude={"columns", "size_bytes"})
    data = DatasetIngested(**facts, span=number, columns=len(span.columns), seconds=0)
    return Event(
        type="dev.tidemill.dataset.ingested.v1",
        source="/tidemill/ingest",
        subject=data.subject,
        data=data,
        id=str(number),
        time=datetime.now(UTC),
        correlation_id="c",
    )
