"""The columns of a window: the union over its spans, each in the widest type that any span has."""

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

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


def union(spans: Iterable[SpanManifest]) -> tuple[Column, ...]:
    """Name every column of the spans once, in order of appearance, in its widest type."""
    types: dict[str, ColumnType] = {}
    for span in spans:
        for column in span.columns:
            types[column.name] = _wider(types.get(column.name, column.type), column.type)
    return tuple(Column(name=name, type=column_type) for name, column_type in types.items())


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


def _wider(one: ColumnType, other: ColumnType) -> ColumnType:
    if one in NUMBERS and other in NUMBERS:
        return max(one, other, key=NUMBERS.index)
    return one if one == other else "string"
