"""A dropped file as a span: typed Parquet of the rows that could be read, and the others with reasons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.events import SchemaChange
from tidemill_contracts.manifest import Column
from tidemill_ingest.chain import open_source
from tidemill_ingest.columns import convert
from tidemill_ingest.errors import Refused
from tidemill_ingest.native import ARROW_TYPES
from tidemill_ingest.plan import Expected, Plan, make_plan
from tidemill_ingest.privacy import check_key, protected
from tidemill_ingest.reader import Reader
from tidemill_ingest.rejects import RejectsFile
from tidemill_ingest.sources import Part

DATA_FILE = "data.parquet"
REJECTS_FILE = "rejects.parquet"
GROUP_ROWS = 1 << 16
GROUP_BYTES = 32 << 20
# Arrow's and Python's messages quote the value that they failed at, which may be nobody's business.
UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError)


@dataclass(frozen=True)
class SpanFiles:
    """What was written: rows read = `rows` + `rows_rejected`. `first_reasons` is of those rejected."""

    columns: tuple[Column, ...]
    changes: tuple[SchemaChange, ...]
    rows: int
    rows_rejected: int
    first_reasons: str


def write_span(
    source: Path | Sequence[Part],
    folder: Path,
    expected: Expected,
    max_decompressed_bytes: int,
    privacy_key: bytes | None = None,
) -> SpanFiles:
    """Read a file of any format, or the parts of one, into `data.parquet` and `rejects.parquet` in `folder`.

    Args:
        privacy_key: Key of hashed columns; None refuses a file that has one.

    Raises:
        Refused: when the file as a whole cannot be used.
    """
    try:
        reader = open_source(source, folder, expected, max_decompressed_bytes)
        plan = make_plan(reader, expected)
        check_key(plan.columns, privacy_key)
        with RejectsFile(folder / REJECTS_FILE, quote=not plan.is_restricted) as rejects:
            rows = _write_rows(_converted(reader, plan, rejects, privacy_key), plan, folder / DATA_FILE)
    except UNREADABLE as error:
        raise Refused(
            "unreadable",
            f"expected a table that can be stored, received {type(error).__name__} in reading it",
        ) from None
    if rows == 0:
        raise Refused("no-rows", f"expected readable rows, received none{rejects.first()}")
    return SpanFiles(plan.columns, plan.changes, rows, rejects.count, rejects.first())


def check_rejected_share(span: SpanFiles, max_share: float) -> None:
    """Raise Refused when more rows were rejected than the pipeline tolerates."""
    read = span.rows + span.rows_rejected
    if span.rows_rejected > max_share * read:
        raise Refused(
            "too-many-bad-rows",
            f"expected at most {max_share:.2%} unreadable rows, received {span.rows_rejected} of {read}"
            + span.first_reasons,
        )


def _write_rows(batches: Iterable[pa.RecordBatch], plan: Plan, path: Path) -> int:
    schema = pa.schema([(name, ARROW_TYPES[column_type]) for name, column_type in plan.types.items()])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(batches):
            writer.write_table(pa.Table.from_batches(group, schema))
            rows += sum(batch.num_rows for batch in group)
    return rows


def _converted(
    reader: Reader, plan: Plan, rejects: RejectsFile, privacy_key: bytes | None
) -> Iterator[pa.RecordBatch]:
    types = plan.types
    for batch in reader.batches(rejects.add):
        converted = convert(batch, types)
        for problem, cell in converted.misfits:
            rejects.add(problem, cell)
        yield protected(converted.rows, plan.columns, privacy_key)


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
