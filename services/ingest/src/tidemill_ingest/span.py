"""A dropped file as a span: typed Parquet of the rows that could be read, and the others with reasons."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import convert, reconcile
from tidemill_ingest.errors import Refused
from tidemill_ingest.formats import open_reader
from tidemill_ingest.native import ARROW_TYPES
from tidemill_ingest.reader import Reader, column_names
from tidemill_ingest.rejects import RejectsFile, Tally

DATA_FILE = "data.parquet"
REJECTS_FILE = "rejects.parquet"
GROUP_ROWS = 1 << 16
GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class SpanFiles:
    """What was written: rows read = `rows` + `rows_rejected`. `first_reasons` is of those rejected."""

    columns: tuple[Column, ...]
    rows: int
    rows_rejected: int
    first_reasons: str


def write_span(
    source: Path, folder: Path, known: Mapping[str, ColumnType], max_decompressed_bytes: int
) -> SpanFiles:
    """Read a file of any format into `data.parquet` and `rejects.parquet` in `folder`.

    Args:
        known: Column types of the spans before; empty for the first. Every one must be present in the file.

    Raises:
        Refused: when the file as a whole cannot be used.
    """
    reader = open_reader(source, folder, known, max_decompressed_bytes)
    types = _types(reader, known)
    with RejectsFile(folder / REJECTS_FILE) as rejects:
        rows = _write_rows(reader, types, folder / DATA_FILE, rejects)
    if rows == 0:
        raise Refused("no-rows", f"expected readable rows, received none{rejects.first()}")
    columns = tuple(Column(name=name, type=column_type) for name, column_type in types.items())
    return SpanFiles(columns, rows, rejects.count, rejects.first())


def check_rejected_share(span: SpanFiles, max_share: float) -> None:
    """Raise Refused when more rows were rejected than the pipeline tolerates."""
    read = span.rows + span.rows_rejected
    if span.rows_rejected > max_share * read:
        raise Refused(
            "too-many-bad-rows",
            f"expected at most {max_share:.2%} unreadable rows, received {span.rows_rejected} of {read}"
            + span.first_reasons,
        )


def _types(reader: Reader, known: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    rejected = Tally()
    inferred = reader.types(rejected.add)
    if not inferred:
        raise Refused("no-rows", f"expected rows with values, received none{rejected.first()}")
    column_names(list(inferred))  # columns that only some rows have are all known only now
    if missing := [name for name in known if name not in inferred]:
        added = [name for name in inferred if name not in known]
        raise Refused(
            "columns-missing",
            f"expected the columns of earlier files, missing {missing}" + (f", new {added}" if added else ""),
        )
    return reconcile(inferred, known)


def _write_rows(reader: Reader, types: Mapping[str, ColumnType], path: Path, rejects: RejectsFile) -> int:
    schema = pa.schema([(name, ARROW_TYPES[column_type]) for name, column_type in types.items()])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(_converted(reader, types, rejects)):
            writer.write_table(pa.Table.from_batches(group, schema))
            rows += sum(batch.num_rows for batch in group)
    return rows


def _converted(
    reader: Reader, types: Mapping[str, ColumnType], rejects: RejectsFile
) -> Iterator[pa.RecordBatch]:
    for batch in reader.batches(rejects.add):
        converted = convert(batch, types)
        for _, reason in converted.misfits:
            rejects.add(reason)
        yield converted.rows


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Gather batches into row groups: few enough to read fast, small enough to hold."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if (
            sum(each.num_rows for each in group) >= GROUP_ROWS
            or sum(each.nbytes for each in group) >= GROUP_BYTES
        ):
            yield group
            group = []
    if group:
        yield group
