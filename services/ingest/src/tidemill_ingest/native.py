"""Columns that have a type already: converted where no value changes, else left to the rules of text."""

from collections.abc import Mapping
from datetime import UTC, datetime

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

# What BigQuery and Python know of.
FIRST_TIME = pa.scalar(datetime(1, 1, 1, tzinfo=UTC), ARROW_TYPES["timestamp"])
LAST_TIME = pa.scalar(datetime.max.replace(tzinfo=UTC), ARROW_TYPES["timestamp"])
# Floats below this hold every integer.
EXACT_BELOW = float(1 << 53)


def as_native(cells: pa.Array, column_type: ColumnType) -> pa.Array | None:
    """Convert typed cells; None when they are text, of another kind, or do not all fit.

    NaN is how many writers spell a missing number: it becomes null, as it does in text.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if not _same_kind(cells.type, column_type):
        return None
    try:
        # Nanoseconds are cut to microseconds; no other value may change.
        is_cut = pa.types.is_timestamp(cells.type) and cells.type.unit == "ns"
        converted = pc.cast(cells, ARROW_TYPES[column_type], safe=not is_cut)
    except pa.ArrowInvalid:
        return None
    if column_type == "timestamp" and not in_calendar(converted):
        return None
    if column_type == "float" and pc.any(pc.is_nan(converted)).as_py():
        return pc.if_else(pc.is_nan(converted), pa.scalar(None, pa.float64()), converted)
    return converted


def in_calendar(times: pa.Array) -> bool:
    """Say whether all times are of the years 1 to 9999, as far as others can tell them."""
    extremes = pc.min_max(times)
    outside = pc.or_(pc.less(extremes["min"], FIRST_TIME), pc.greater(extremes["max"], LAST_TIME))
    return not outside.as_py()


def as_text(cells: pa.Array) -> pa.Array:
    """Write cells of any type as text: whole numbers without exponent or fraction, NaN as null."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if not pa.types.is_floating(cells.type):
        return pc.cast(cells, pa.string())
    numbers = pc.cast(cells, pa.float64())
    whole = pc.and_(pc.equal(numbers, pc.trunc(numbers)), pc.less(pc.abs(numbers), EXACT_BELOW))
    integers = pc.cast(pc.if_else(whole, numbers, None), pa.int64())
    text = pc.if_else(whole, pc.cast(integers, pa.string()), pc.cast(numbers, pa.string()))
    return pc.if_else(pc.is_nan(numbers), None, text)


def is_whole_decimal(arrow_type: pa.DataType) -> bool:
    """Say whether values are decimals without a fraction, which databases write for long integers."""
    return bool(pa.types.is_decimal(arrow_type) and arrow_type.scale == 0)


def _same_kind(arrow_type: pa.DataType, column_type: ColumnType) -> bool:
    types = pa.types
    if types.is_null(arrow_type):
        return True
    match column_type:
        case "bool":
            return bool(types.is_boolean(arrow_type))
        case "int":
            return bool(types.is_integer(arrow_type) or is_whole_decimal(arrow_type))
        case "float":
            return any(
                belongs(arrow_type) for belongs in (types.is_integer, types.is_floating, types.is_decimal)
            )
        case "timestamp":
            return bool(types.is_timestamp(arrow_type) or types.is_date(arrow_type))
        case "string":
            return any(
                belongs(arrow_type)
                for belongs in (types.is_string, types.is_large_string, types.is_string_view)
            )
