"""The columns of a window: the union over its spans, each in the widest type that any span has."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.columns import Privacy
from tidemill_contracts.manifest import Column, SpanManifest
from tidemill_contracts.profile import ColumnType

ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "string": pa.string(),
}
NUMBERS: tuple[ColumnType, ...] = ("bool", "int", "float")
MAX_LISTED = 20
PRIVACY_BY_STRICTNESS: tuple[Privacy, ...] = ("keep", "mask", "hash", "drop")


def union(spans: Iterable[SpanManifest], declared: Mapping[str, ColumnType]) -> tuple[Column, ...]:
    """Name every column of the spans once, in order of appearance, in its widest type.

    A column is kept only if it is in every span that has it; one that is dropped anywhere is not named.

    Args:
        declared: Types that columns are to have at least, whatever the spans say.
    """
    found: dict[str, Column] = {}
    for span in spans:
        for column in span.columns:
            found[column.name] = _united(found.get(column.name, column), column)
    for name in found.keys() & declared.keys():
        found[name] = _widened(found[name], declared[name])
    return tuple(column for column in found.values() if column.privacy != "drop")


def readable(span: SpanManifest, columns: Iterable[Column]) -> tuple[str, ...]:
    """Name the columns of a window that may be read from a span.

    Where another span hashes or masks a column, what this one has in clear is not for use any more.
    """
    privacy = {column.name: column.privacy for column in span.stored_columns}
    return tuple(column.name for column in columns if privacy.get(column.name) == column.privacy)


def listed(names: Sequence[str]) -> str:
    """Name columns in a message; of many, the first."""
    others = len(names) - MAX_LISTED
    return f"{list(names[:MAX_LISTED])}" + (f" and {others} more" if others > 0 else "")


def suggested(wrong: Sequence[str], known: Sequence[str]) -> str:
    """Name columns that are none, with those that may have been meant."""
    near = {name: get_close_matches(name, known, 1) for name in wrong[:MAX_LISTED]}
    meant = ", ".join(found[0] for found in near.values() if found)
    return listed(wrong) + (f" (did you mean {meant}?)" if meant else "")


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema that `conform` gives."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])


def conform(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give rows of one span the columns of the window: wider types, nulls for columns the span has not.

    NaN becomes null: DuckDB sorts NaN above every number, so a label like `delay >= 15` would be true of it.
    """
    arrays = [_conform(rows, field) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _conform(rows: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if rows.schema.get_field_index(field.name) < 0:
        return pa.nulls(rows.num_rows, field.type)
    # Integers above 2**53 lose digits as floats; the window holds fractions, so nothing wider is left.
    array = pc.cast(rows.column(field.name), field.type, safe=False)
    if not pa.types.is_floating(field.type):
        return array
    is_nan = pc.is_nan(array)
    return pc.if_else(is_nan, pa.scalar(None, field.type), array) if pc.any(is_nan).as_py() else array


def _united(one: Column, other: Column) -> Column:
    if one.privacy != other.privacy:
        return max(one, other, key=lambda column: PRIVACY_BY_STRICTNESS.index(column.privacy))
    return _widened(one, other.type)


def _widened(column: Column, by: ColumnType) -> Column:
    wider = widest(column.type, by)
    return column if wider == column.type else column.model_copy(update={"type": wider})


def widest(one: ColumnType, other: ColumnType) -> ColumnType:
    """Return the type that holds the values of both."""
    if one in NUMBERS and other in NUMBERS:
        return max(one, other, key=NUMBERS.index)
    return one if one == other else "string"
