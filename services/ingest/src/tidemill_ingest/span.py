"""A dropped file as a span: typed Parquet of the rows that could be read, and the others with reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill_contracts.events import SchemaChange
from tidemill_contracts.manifest import Column
from tidemill_ingest.chain import open_source
from tidemill_ingest.draft import UNREADABLE, Draft
from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Expected, make_plan
from tidemill_ingest.privacy import check_key
from tidemill_ingest.sources import Part
from tidemill_ingest.span_writer import writing


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
        with Draft(folder, privacy_key) as draft:
            plan = make_plan(reader, expected, draft)
            check_key(plan.columns, privacy_key)
            written = draft.finish(plan)
        if written is None:
            with writing(folder, plan, privacy_key) as written:
                for batch in reader.batches(written.rejects.add):
                    written.add(batch)
    except UNREADABLE as error:
        raise Refused(
            "unreadable",
            f"expected a table that can be stored, received {type(error).__name__} in reading it",
        ) from None
    rejects = written.rejects
    if written.data.rows == 0:
        raise Refused("no-rows", f"expected readable rows, received none{rejects.first()}")
    return SpanFiles(plan.columns, plan.changes, written.data.rows, rejects.count, rejects.first())


def check_rejected_share(span: SpanFiles, max_share: float) -> None:
    """Raise Refused when more rows were rejected than the pipeline tolerates."""
    read = span.rows + span.rows_rejected
    if span.rows_rejected > max_share * read:
        raise Refused(
            "too-many-bad-rows",
            f"expected at most {max_share:.2%} unreadable rows, received {span.rows_rejected} of {read}"
            + span.first_reasons,
        )
