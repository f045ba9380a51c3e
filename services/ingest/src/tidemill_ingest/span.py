"""A dropped file as a span: typed Parquet of the rows that could be read, and the others with reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import ARROW_TYPES, convert, infer_types, reconcile
from tidemill_ingest.csv_file import CsvFile
from tidemill_ingest.errors import Refused

REJECTS_SCHEMA = pa.schema([("reason", pa.string())])
DATA_FILE = "data.parquet"
REJECTS_FILE = "rejects.parquet"


@dataclass(frozen=True)
class SpanFiles:
    """What was written: rows read = `rows` + `rows_rejected`."""

    columns: tuple[Column, ...]
    rows: int
    rows_rejected: int


def write_span(source: Path, folder: Path, known: Mapping[str, ColumnType]) -> SpanFiles:
    """Read a CSV file into `data.parquet` and `rejects.parquet` in `folder`.

    Args:
        known: Column types of the spans before; empty for the first. Every one must be present in the file.

    Raises:
        Refused: when the file as a whole cannot be used.
    """
    file = CsvFile(source)
    _check_columns(file.header(), known)
    types = reconcile(infer_types(file.batches()), known)
    if not types:
        raise Refused("no-rows", "expected rows below the header, received none")
    rows, reasons = _write_rows(file, types, folder / DATA_FILE)
    reasons += file.ragged
    pq.write_table(pa.table({"reason": reasons}, schema=REJECTS_SCHEMA), folder / REJECTS_FILE)
    if rows == 0:
        raise Refused("no-rows", f"expected readable rows, received none; {_first(reasons)}")
    columns = tuple(Column(name=name, type=column_type) for name, column_type in types.items())
    return SpanFiles(columns, rows, len(reasons))


def check_rejected_share(span: SpanFiles, folder: Path, max_share: float) -> None:
    """Raise Refused when more rows were rejected than the pipeline tolerates."""
    read = span.rows + span.rows_rejected
    if span.rows_rejected > max_share * read:
        reasons = pq.read_table(folder / REJECTS_FILE)["reason"].slice(0, 3).to_pylist()
        raise Refused(
            "too-many-bad-rows",
            f"expected at most {max_share:.2%} unreadable rows, received {span.rows_rejected} of {read}; "
            + _first(reasons),
        )


def _write_rows(file: CsvFile, types: Mapping[str, ColumnType], path: Path) -> tuple[int, list[str]]:
    schema = pa.schema([(name, ARROW_TYPES[column_type]) for name, column_type in types.items()])
    rows, reasons = 0, list[str]()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in file.batches():
            converted = convert(batch, types)
            writer.write_batch(converted.rows)
            rows += converted.rows.num_rows
            reasons += [reason for _, reason in converted.misfits]
    return rows, reasons


def _check_columns(names: list[str], known: Mapping[str, ColumnType]) -> None:
    if missing := [name for name in known if name not in names]:
        added = [name for name in names if name not in known]
        raise Refused(
            "columns-missing",
            f"expected the columns of earlier files, missing {missing}" + (f", new {added}" if added else ""),
        )


def _first(reasons: list[str]) -> str:
    return "first: " + "; ".join(reasons[:3])
