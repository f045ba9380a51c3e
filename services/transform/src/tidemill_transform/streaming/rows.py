"""JSON records as rows of columns: one that does not fit is set aside with the reason, alone."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NoReturn
from unicodedata import normalize

import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_contracts.records import flat
from tidemill_transform.column_names import MAX_CHARACTERS
from tidemill_transform.columns import ARROW_TYPES

Value = bool | int | float | str | datetime | None
Row = dict[str, Value]
INT64 = range(-(1 << 63), 1 << 63)
MAX_COLUMNS = 10_000


class Misfit(Exception):
    """A record that cannot be a row; the message says what was expected and received."""


def read_json(data: bytes) -> dict[str, Any]:
    """Parse a record; raise Misfit when it is no JSON object."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
        # Half a character pair is JSON, but no text.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Misfit(f"expected a JSON object, received {data[:100]!r}: {error}") from error
    if not isinstance(value, dict):
        raise Misfit(f"expected a JSON object, received {data[:100]!r}")
    return value


def read_row(data: bytes, types: Mapping[str, ColumnType]) -> Row:
    """Read a record whose known columns have their types; objects in it become `outer.inner`."""
    record = read_json(data)
    try:
        row: Row = flat(record)
    except ValueError as error:
        raise Misfit(str(error)) from error
    if not row:
        raise Misfit("expected at least one column, received none")
    return {name: _typed(name, value, types.get(name)) for name, value in row.items()}


class Names:
    """Which columns the rows of a drop have; one bad name would have the whole drop refused.

    Args:
        known: Columns that every drop has.
    """

    def __init__(self, known: Collection[str]) -> None:
        self._by_spelling = {_spelling(name): name for name in known}
        self._known = set(known)

    def add(self, row: Row) -> None:
        """Take the names of a row; raise Misfit for one that cannot stand beside those before it."""
        if self._known.issuperset(row):
            return
        new = {_spelling(name): name for name in row}
        for spelling, name in new.items():
            known = self._by_spelling.get(spelling, name)
            if not spelling or len(spelling) > MAX_CHARACTERS or known != name or len(new) < len(row):
                raise Misfit(
                    f"expected names of 1 to {MAX_CHARACTERS} characters that differ by more than case and "
                    f"spaces, received {name!r:.100}"
                )
        if len(self._by_spelling | new) > MAX_COLUMNS:
            raise Misfit(f"expected at most {MAX_COLUMNS} columns, received {len(row)} in a record")
        self._by_spelling |= new
        self._known.update(row)


def batch_of(rows: Sequence[Row], types: Mapping[str, ColumnType]) -> pa.RecordBatch:
    """Put rows into columns: all that are known, then others, typed by the values they have here."""
    names = dict.fromkeys(chain(types, chain.from_iterable(rows)))
    columns = [_column([row.get(name) for row in rows], types.get(name)) for name in names]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def moment(text: str) -> datetime:
    """Read ISO 8601 as a point in time, UTC where it does not say; raise ValueError."""
    read = datetime.fromisoformat(text)
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _spelling(name: str) -> str:
    return normalize("NFC", " ".join(name.split())).casefold()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"expected a number, received {name}")


def _as_int(value: Value) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) and int(value) in INT64 else None


def _as_float(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _as_timestamp(value: Value) -> datetime | None:
    return moment(value) if isinstance(value, str) else None


_READERS: Mapping[ColumnType, Callable[[Value], Value]] = {
    "bool": lambda value: value if isinstance(value, bool) else None,
    "int": _as_int,
    "float": _as_float,
    "string": lambda value: value if isinstance(value, str) else None,
    "timestamp": _as_timestamp,
}


def _typed(name: str, value: Value, column_type: ColumnType | None) -> Value:
    if value is None or column_type is None:
        return value
    try:
        read = _READERS[column_type](value)
    except (ValueError, OverflowError):  # no time, or a number that no float holds
        read = None
    if read is None:
        raise Misfit(f"column {name}: expected {column_type}, received {value!r:.100}")
    return read


def _column(values: list[Value], column_type: ColumnType | None) -> pa.Array:
    if column_type is not None:
        return pa.array(values, ARROW_TYPES[column_type])
    kinds = {type(value) for value in values} - {type(None)}
    try:
        if len(kinds) == 1 or kinds == {int, float}:
            return pa.array(values)
    except (pa.ArrowInvalid, OverflowError):  # integers that no number type holds exactly
        pass
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Value) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
