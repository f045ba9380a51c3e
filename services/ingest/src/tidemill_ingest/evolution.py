"""How a file's columns differ from those of the newest accepted span, and which differences are refused."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from tidemill_contracts.events import SchemaChange
from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import fitting
from tidemill_ingest.errors import Refused
from tidemill_ingest.privacy import STRICTER

LISTED_CHANGES = 50


def reconcile(inferred: ColumnType, known: ColumnType) -> ColumnType | None:
    """Choose the type in which a column goes on; None when its cells must show whether they fit the known."""
    if {inferred, known} == {"int", "float"}:
        return "float"
    return known if known in (inferred, "string") else None


def retyped(batches: Iterable[pa.RecordBatch], known: Mapping[str, ColumnType]) -> set[str]:
    """Name the columns most of whose cells do not fit the type they are known by."""
    filled: Counter[str] = Counter()
    fit: Counter[str] = Counter()
    for batch in batches:
        for name in known.keys() & set(batch.schema.names):
            cells = batch.column(name)
            filled[name] += len(cells) - cells.null_count
            fit[name] += fitting(cells, known[name])
    return {name for name in known if fit[name] < filled[name] / 2}


def changes(before: Sequence[Column], after: Sequence[Column]) -> tuple[SchemaChange, ...]:
    """List every difference, in the order of the columns, those that are gone last."""
    known = {column.name: column for column in before}
    present = {column.name for column in after}
    differ = [_change(known.get(column.name), column) for column in after]
    gone = [
        SchemaChange(column=column.name, change="removed", before=column.type)
        for column in before
        if column.name not in present
    ]
    return (*(change for change in differ if change), *gone)


def check_changes(found: Sequence[SchemaChange], declared: Iterable[str]) -> None:
    """Raise Refused when a column is gone, or holds another type and the spec does not declare it to.

    Args:
        declared: Columns whose types the spec says.
    """
    fine = set(declared)
    if any(
        each.change == "removed" or (each.change == "retyped" and each.column not in fine) for each in found
    ):
        listed = "; ".join(map(_described, found[:LISTED_CHANGES]))
        more = f"; and {len(found) - LISTED_CHANGES} more" if len(found) > LISTED_CHANGES else ""
        raise Refused(
            "schema-changed",
            f"expected the columns of earlier files, received changes: {listed}{more}",
            tuple(found),
        )


def _change(before: Column | None, after: Column) -> SchemaChange | None:
    name = after.name
    if before is None:
        return SchemaChange(column=name, change="added", after=after.type)
    if before.privacy != after.privacy:
        stricter = STRICTER.index(after.privacy) > STRICTER.index(before.privacy)
        change = "restricted" if stricter else "released"
        return SchemaChange(column=name, change=change, before=before.privacy, after=after.privacy)
    if before.type == after.type or after.privacy != "keep":
        return None
    change = "widened" if (before.type, after.type) == ("int", "float") else "retyped"
    return SchemaChange(column=name, change=change, before=before.type, after=after.type)


def _described(change: SchemaChange) -> str:
    match change.change:
        case "added":
            return f"{change.column} ({change.after}) is new"
        case "removed":
            return f"{change.column} ({change.before}) is missing"
    return f"{change.column} was {change.before} and is {change.after}"
