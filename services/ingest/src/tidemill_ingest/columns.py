"""Types of columns: inferred from cells, and cells converted to them.

A cell that does not fit its column's type rejects its row, with the reason; it never becomes a null unseen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.exact import holds_long, holds_padded
from tidemill_ingest.native import ARROW_TYPES, as_native, as_text, in_calendar
from tidemill_ingest.reader import Look, Seen

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
# So many cells tell mostly whether all will fit: Arrow goes on to the last cell, and words every misfit.
TRIED_CELLS = 32
NATIVE: Mapping[pa.DataType, tuple[ColumnType, ...]] = {
    pa.bool_(): ("bool",),
    pa.int64(): ("int", "float"),
    pa.float64(): ("float",),
}
TEXT_TYPES = tuple(CELL_PATTERNS)
NONE_CONVERTED: Mapping[str, pa.Array | None] = MappingProxyType({})


@dataclass
class CellCounts:
    """How many of a column's cells fit each type, over all batches seen."""

    text_types: Sequence[ColumnType] = TEXT_TYPES
    filled: int = 0
    fitting: dict[ColumnType, int] = field(default_factory=lambda: dict.fromkeys(CELL_PATTERNS, 0))
    exact_text: bool = False

    def add(self, cells: pa.Array) -> pa.Array | None:
        """Count one batch of cells; nulls fit every type.

        Returns:
            Text converted to the narrowest type that all of it fits; None when there is none.
        """
        filled = len(cells) - cells.null_count
        self.filled += filled
        if cells.type == pa.string():
            return self._add_text(cells, filled)
        for column_type in NATIVE.get(cells.type, ()):
            self.fitting[column_type] += filled
        return None

    def column_type(self) -> ColumnType:
        """The narrowest type that nearly all cells fit; a column without any value is text."""
        for column_type, fitting in self.fitting.items():
            if self.filled and fitting >= self.filled * (1 - MISFIT_SHARE):
                return "string" if self.exact_text and column_type in ("int", "float") else column_type
        return "string"

    def _add_text(self, cells: pa.Array, filled: int) -> pa.Array | None:
        narrowest = None
        is_int = False
        before = self.filled - filled
        for column_type in self.text_types:
            # Once clearly text, always text: no need to look on.
            if self.fitting[column_type] + filled < self.filled * (1 - MISFIT_SHARE):
                continue
            casts = is_int and column_type == "float"
            # Arrow reads 0 and 1 as booleans; in a table they are numbers.
            if not casts and column_type != "bool":
                all_fitted = 0 < before == self.fitting[column_type]
                converted = _converted(cells, column_type, try_first=not all_fitted)
                casts = converted is not None
                narrowest = converted if narrowest is None else narrowest
            is_int = is_int or (casts and column_type == "int")
            fitting = filled if casts else _matches(cells, CELL_PATTERNS[column_type])
            self.fitting[column_type] += fitting
            if column_type in ("int", "float") and fitting and not self.exact_text:
                self.exact_text = holds_padded(cells) or (not is_int and holds_long(cells))
        return narrowest


def infer_types(
    batches: Iterable[pa.RecordBatch], text_types: Sequence[ColumnType] = TEXT_TYPES, look: Look | None = None
) -> dict[str, ColumnType]:
    """Choose a type for every column.

    Args:
        text_types: What the cells of string columns may turn out to be, besides text.
        look: Shown every batch.
    """
    counts: dict[str, CellCounts] = {}

    def types() -> dict[str, ColumnType]:
        return {name: count.column_type() for name, count in counts.items()}

    for batch in batches:
        converted = {}
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            if name not in counts:
                counts[name] = CellCounts(text_types)
            converted[name] = counts[name].add(cells)
        if look:
            look(Seen(batch, converted, types))
    return types()


def fitting(cells: pa.Array, column_type: ColumnType) -> int:
    """Count the cells that could be of a type; nulls are not counted."""
    if as_native(cells, column_type) is not None:
        return int(pc.count(cells).as_py())
    text = pc.utf8_trim_whitespace(as_text(cells))
    if _casts(text, column_type):
        return int(pc.count(text).as_py())
    return _matches(text, CELL_PATTERNS[column_type])


@dataclass(frozen=True)
class Converted:
    """A typed batch of the rows that fit, and of each other row what was expected and the cell that came."""

    rows: pa.RecordBatch
    misfits: list[tuple[str, object]]


def convert(
    batch: pa.RecordBatch,
    types: Mapping[str, ColumnType],
    already: Mapping[str, pa.Array | None] = NONE_CONVERTED,
) -> Converted:
    """Give a batch its types; a row with a cell that does not fit is left out, with the reason.

    Columns come out in the order of `types`; one that the batch lacks is null.

    Args:
        already: Columns of the batch that all fit some type, in that type.
    """
    misfits: dict[int, tuple[str, object]] = {}
    columns = []
    for name, column_type in types.items():
        ready = already.get(name)
        if ready is not None and ready.type == ARROW_TYPES[column_type]:
            columns.append(ready)
            continue
        index = batch.schema.get_field_index(name)
        cells = batch.column(index) if index >= 0 else pa.nulls(batch.num_rows)
        converted, indices = _convert_cells(cells, column_type)
        for row in indices:
            misfits.setdefault(row, (f"column {name}: expected {column_type}", _cell(cells, row)))
        columns.append(converted)
    rows = pa.RecordBatch.from_arrays(columns, names=list(types))
    if misfits:
        rows = rows.filter(pa.array(np.isin(np.arange(len(rows)), list(misfits), invert=True)))
    return Converted(rows, [misfits[row] for row in sorted(misfits)])


def _cell(cells: pa.Array, row: int) -> object:
    try:
        return cells[row].as_py()
    except (OverflowError, ValueError):  # a time that Python has no object for
        return as_text(cells[row : row + 1])[0].as_py()


def _convert_cells(cells: pa.Array, column_type: ColumnType) -> tuple[pa.Array, list[int]]:
    native = as_native(cells, column_type)
    if native is not None:
        return native, []
    text = as_text(cells)
    try:
        return _cast(text, column_type), []
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(text)
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
    """Convert text; raise ArrowInvalid when a cell does not fit, or would become another value."""
    if column_type == "timestamp":
        times = _cast_timestamps(cells)
        if not in_calendar(times):
            raise pa.ArrowInvalid("expected years from 1 to 9999")
        return times
    converted = pc.cast(cells, ARROW_TYPES[column_type])
    if column_type == "float":
        infinite = pc.is_inf(converted)
        if pc.any(infinite).as_py():
            words = pc.match_substring(cells.filter(infinite), "inf", ignore_case=True)
            if not pc.all(words).as_py():
                raise pa.ArrowInvalid("expected numbers that a float holds")
    return converted


def _cast_timestamps(cells: pa.Array) -> pa.Array:
    """Convert ISO 8601 text; what names no zone is in UTC."""
    for whole_column in (ARROW_TYPES["timestamp"], pa.timestamp("us")):
        try:
            return pc.cast(cells, whole_column).cast(ARROW_TYPES["timestamp"])
        except pa.ArrowInvalid:
            continue
    has_zone = pc.match_substring_regex(cells, r"(Z|[-+][0-9]{2}:?[0-9]{2})$")
    zoned = cells.filter(has_zone).cast(ARROW_TYPES["timestamp"])
    naive = cells.filter(pc.invert(has_zone)).cast(pa.timestamp("us")).cast(ARROW_TYPES["timestamp"])
    nulls = pa.nulls(len(cells), ARROW_TYPES["timestamp"])
    filled = pc.replace_with_mask(nulls, pc.fill_null(has_zone, False), zoned)
    return pc.replace_with_mask(filled, pc.fill_null(pc.invert(has_zone), False), naive)


def _casts(cells: pa.Array, column_type: ColumnType) -> bool:
    return _converted(cells, column_type) is not None


def _converted(cells: pa.Array, column_type: ColumnType, *, try_first: bool = True) -> pa.Array | None:
    """Convert text; None when a cell does not fit."""
    try:
        if try_first:
            _cast(cells[:TRIED_CELLS], column_type)
        return _cast(cells, column_type)
    except pa.ArrowInvalid:
        return None


def _matches(cells: pa.Array, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(pc.utf8_trim_whitespace(cells), pattern)).as_py() or 0
