"""What a window's records become: a drop, what was set aside, and a report; the same for the same records."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.manifest import Column, content_id
from tidemill_contracts.profile import ColumnProfile, ColumnType, ProfileModel
from tidemill_transform.column_sketch import WHOLE, ColumnSketch
from tidemill_transform.profiling import COUNTED_TEXTS
from tidemill_transform.streaming.records import Record
from tidemill_transform.streaming.rows import Misfit, Names, Row, batch_of, read_row

REJECTS = pa.schema(
    [
        ("reason", pa.string()),
        ("record", pa.binary()),
        ("message_id", pa.string()),
        ("published", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Pane:
    """Records of one window that are landed together; `number` counts them within their window."""

    start: int
    number: int
    records: tuple[Record, ...]


class PaneReport(ProfileModel):
    """What became of a pane. records = rows + rejected; duplicates are further copies of the same messages.

    `drop` and `rejects` name the objects, None where there was nothing to write. `columns` profiles the known
    columns of the rows: never those that may hold what must not be stored in clear.
    """

    pipeline: str
    window_start: datetime
    window_end: datetime
    pane: int
    records: int
    rows: int
    rejected: int
    duplicates: int
    drop: str | None
    rejects: str | None
    columns: tuple[ColumnProfile, ...]


@dataclass(frozen=True)
class Packed:
    """A pane as it is stored: each object's name with its content, the report last."""

    report: PaneReport
    objects: tuple[tuple[str, bytes], ...]
    message_ids: tuple[str, ...]


@dataclass(frozen=True)
class Packer:
    """Packs the panes of one pipeline. `types` are those of its known columns."""

    pipeline: str
    window_seconds: int
    types: Mapping[str, ColumnType]

    def pack(self, pane: Pane) -> Packed:
        """Pack a pane of at least one record."""
        records = _distinct(pane.records)
        rows, rejects = self._read(records)
        name = _name(pane, records)
        drop = layout.drop(self.pipeline, f"stream-{name}.parquet") if rows else None
        aside = layout.stream(self.pipeline, f"{name}.rejects.parquet") if rejects else None
        batch = batch_of(rows, self.types)
        report = PaneReport(
            pipeline=self.pipeline,
            window_start=datetime.fromtimestamp(pane.start, UTC),
            window_end=datetime.fromtimestamp(pane.start + self.window_seconds, UTC),
            pane=pane.number,
            records=len(records),
            rows=len(rows),
            rejected=len(rejects),
            duplicates=len(pane.records) - len(records),
            drop=drop,
            rejects=aside,
            columns=self._profile(batch) if rows else (),
        )
        parts = ((aside, _rejects_batch(rejects)), (drop, batch))
        objects = [(part, _parquet(rows_of)) for part, rows_of in parts if part is not None]
        about = (layout.stream(self.pipeline, f"{name}.json"), report.model_dump_json(indent=1).encode())
        return Packed(report, (*objects, about), tuple(record.message_id for record in records))

    def _read(self, records: Iterable[Record]) -> tuple[list[Row], list[Record]]:
        rows: list[Row] = []
        rejects: list[Record] = []
        names = Names(self.types)
        for record in records:
            row, refusal = self._row(record, names)
            if refusal:
                rejects.append(record._replace(refusal=refusal))
            else:
                rows.append(row)
        return rows, rejects

    def _row(self, record: Record, names: Names) -> tuple[Row, str]:
        if record.refusal:
            return {}, record.refusal
        try:
            row = read_row(record.data, self.types)
            names.add(row)
        except Misfit as misfit:
            return {}, str(misfit)
        return row, ""

    def _profile(self, rows: pa.RecordBatch) -> tuple[ColumnProfile, ...]:
        return tuple(
            _column_profile(Column(name=name, type=column_type), rows[name])
            for name, column_type in self.types.items()
        )


def _column_profile(column: Column, values: pa.Array) -> ColumnProfile:
    sketch = ColumnSketch(column, COUNTED_TEXTS)
    sketch.update(values)
    return sketch.profile(values, WHOLE)


def _distinct(records: Iterable[Record]) -> list[Record]:
    """Take each message once, in the order of publishing: at least once is how Pub/Sub delivers."""
    once = {record.message_id: record for record in records}
    return sorted(once.values(), key=lambda record: (record.published, record.message_id))


def _name(pane: Pane, records: Sequence[Record]) -> str:
    start = datetime.fromtimestamp(pane.start, UTC)
    messages = content_id(*sorted(record.message_id for record in records))
    return f"{start:%Y%m%dT%H%M%SZ}-{pane.number:04d}-{messages}"


def _rejects_batch(rejects: Sequence[Record]) -> pa.RecordBatch:
    rows = [
        {
            "reason": record.refusal.encode(errors="replace").decode(),
            "record": record.data,
            "message_id": record.message_id,
            "published": datetime.fromtimestamp(record.published, UTC),
        }
        for record in rejects
    ]
    return pa.RecordBatch.from_pylist(rows, schema=REJECTS)


def _parquet(rows: pa.RecordBatch) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_batches([rows]), file, compression="zstd")
    return file.getvalue()
