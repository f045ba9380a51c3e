"""Types of columns: inferred from text cells, and text cells converted to them.

A cell that does not fit its column's type rejects its row, with the reason; it never becomes a null unseen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import ColumnType

ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "string": pa.string(),
}
# From narrow to wide: the first type that nearly all cells fit is the column's.
CELL_PATTERNS: Mapping[ColumnType, str] = {
    "bool": r"^(?i:true|false)$",
    "int": r"^-?[0-9]{1,18}$",
    "float": r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$",
    "timestamp": r"^[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"
    r"(Z|[-+][0-2][0-9]:?[0-5][0-9])?$",
}
# A column with fewer misfits than this has a type and typing errors; with more, it is text.
MISFIT_SHARE = 0.01


@dataclass
class CellCounts:
    """How many of a column's cells fit each type, over all batches seen."""

    filled: int = 0
    fitting: dict[ColumnType, int] = field(default_factory=lambda: dict.fromkeys(CELL_PATTERNS, 0))

    def add(self, cells: pa.Array) -> None:
        """Count one batch of text cells; nulls fit every type."""
        filled = len(cells) - cells.null_count
        self.filled += filled
        for column_type, pattern in CELL_PATTERNS.items():
            # Once clearly text, always text: no need to look on.
            if self.fitting[column_type] + filled < self.filled * (1 - MISFIT_SHARE):
                continue
            # Arrow reads 0 and 1 as booleans; in a table they are numbers.
            casts = column_type != "bool" and _casts(cells, column_type)
            self.fitting[column_type] += filled if casts else _matches(cells, pattern)

    def column_type(self) -> ColumnType:
        """The narrowest type that nearly all cells fit; a column without any value is text."""
        for column_type, fitting in self.fitting.items():
            if self.filled and fitting >= self.filled * (1 - MISFIT_SHARE):
                return column_type
        return "string"


def infer_types(batches: Iterable[pa.RecordBatch]) -> dict[str, ColumnType]:
    """Choose a type for every column of text batches."""
    counts: dict[str, CellCounts] = {}
    for batch in batches:
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            counts.setdefault(name, CellCounts()).add(cells)
    return {name: count.column_type() for name, count in counts.items()}


def reconcile(inferred: Mapping[str, ColumnType], known: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Hold a file's types against earlier spans': numbers may widen, anything else stays as known."""
    types = dict(inferred)
    for name, column_type in known.items():
        if name in types and {types[name], column_type} != {"int", "float"}:
            types[name] = column_type
        elif name in types:
            types[name] = "float"
    return types


@dataclass(frozen=True)
class Converted:
    """A typed batch of the rows that fit, and for each other row its index in the batch and the reason."""

    rows: pa.RecordBatch
    misfits: list[tuple[int, str]]


def convert(batch: pa.RecordBatch, types: Mapping[str, ColumnType]) -> Converted:
    """Give a text batch its types; a row with a cell that does not fit is left out, with the reason."""
    reasons: dict[int, str] = {}
    columns = []
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        converted, misfits = _convert_cells(cells, types[name])
        for index in misfits:
            text = cells[index].as_py()
            reasons.setdefault(index, f"column {name}: expected {types[name]}, received {text!r:.100}")
        columns.append(converted)
    rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    if reasons:
        rows = rows.filter(pa.array(np.isin(np.arange(len(rows)), list(reasons), invert=True)))
    return Converted(rows, sorted(reasons.items()))


def _convert_cells(cells: pa.Array, column_type: ColumnType) -> tuple[pa.Array, list[int]]:
    try:
        return _cast(cells, column_type), []
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(cells)
        misfits = list(_misfits(trimmed, column_type, 0))
        fits = pa.array(np.isin(np.arange(len(cells)), misfits, invert=True))
        return _cast(pc.if_else(fits, trimmed, None), column_type), misfits


def _misfits(cells: pa.Array, column_type: ColumnType, offset: int) -> Iterator[int]:
    """Find the few cells that do not cast, by halves: the many that do are cast together."""
    if _casts(cells, column_type):
        return
    if len(cells) == 1:
        yield offset
        return
    half = len(cells) // 2
    yield from _misfits(cells[:half], column_type, offset)
    yield from _misfits(cells[half:], column_type, offset + half)


def _cast(cells: pa.Array, column_type: ColumnType) -> pa.Array:
    if column_type != "timestamp":
        return pc.cast(cells, ARROW_TYPES[column_type])
    has_zone = pc.fill_null(pc.match_substring_regex(cells, r"(Z|[-+][0-9]{2}:?[0-9]{2})$"), True)
    is_date = pc.fill_null(pc.match_substring_regex(cells, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), False)
    zoned = pc.if_else(pc.and_not(has_zone, is_date), cells, pc.binary_join_element_wise(cells, "Z", ""))
    midnight = pc.binary_join_element_wise(cells, "T00:00:00Z", "")
    return pc.cast(pc.if_else(is_date, midnight, zoned), ARROW_TYPES["timestamp"])


def _casts(cells: pa.Array, column_type: ColumnType) -> bool:
    try:
        _cast(cells, column_type)
    except pa.ArrowInvalid:
        return False
    return True


def _matches(cells: pa.Array, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(pc.utf8_trim_whitespace(cells), pattern)).as_py() or 0
