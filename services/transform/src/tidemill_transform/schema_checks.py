"""A column held against a schema, by the rules of TensorFlow Data Validation."""

from collections.abc import Collection, Iterator, Mapping

from tidemill_contracts.anomaly import Anomaly, AnomalyType, Comparison
from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.profile import ColumnProfile, ColumnType, Profile
from tidemill_transform.anomalies import TOLD_CHARACTERS, TOLD_VALUES, found
from tidemill_transform.columns import NUMBERS
from tidemill_transform.identifiers import names_rows
from tidemill_transform.schema import infer_schema

# New texts in so small a share of the values do not contradict earlier data, which had but some of all rows.
MAX_OFF_DOMAIN = 0.01
# By the type that was expected and the one that came; any other pair has no name of its own.
WRONG_TYPES: Mapping[tuple[ColumnType, ColumnType], AnomalyType] = {
    ("bool", "int"): "BOOL_TYPE_INT_NOT_STRING",
    ("bool", "float"): "BOOL_TYPE_UNEXPECTED_FLOAT",
    ("bool", "string"): "BOOL_TYPE_UNEXPECTED_STRING",
    ("int", "float"): "INT_TYPE_INT_EXPECTED",
    ("int", "string"): "INT_TYPE_NOT_INT_STRING",
    ("float", "timestamp"): "FLOAT_TYPE_NOT_FLOAT",
    ("float", "string"): "FLOAT_TYPE_STRING_NOT_FLOAT",
    ("string", "int"): "STRING_TYPE_NOW_INT",
    ("string", "float"): "STRING_TYPE_NOW_FLOAT",
}
WRONG_TYPES_OF_CATEGORIES: Mapping[ColumnType, AnomalyType] = {
    "int": "ENUM_TYPE_INT_NOT_STRING",
    "float": "ENUM_TYPE_FLOAT_NOT_STRING",
}


def check_column(
    column: ColumnProfile, spec: ColumnSpec, against: Comparison, max_off_domain: float = 0.0
) -> Iterator[Anomaly]:
    """Yield what is wrong with a column.

    Args:
        max_off_domain: Largest share of its values that may be none of the texts in the schema.
    """
    if spec.type is not None and not _fits(column.type, spec.type):
        yield _wrong_type(column, spec.type, spec, against)
        return
    if spec.required and column.nulls:
        message = f"expected a value of {column.name} in every row, received {column.nulls} rows without one"
        present = 1 - column.nulls / column.rows
        yield found("FEATURE_TYPE_LOW_FRACTION_PRESENT", column.name, message, against, present, 1.0)
    if spec.unique and column.repeated_share:
        message = (
            f"expected every value of {column.name} once, received {column.repeated_share:.2%} of its "
            "different values more than once"
        )
        yield found("FEATURE_TYPE_LOW_UNIQUE", column.name, message, against, column.repeated_share, 0.0)
    yield from _beyond(column, spec, against)
    yield from _off_domain(column, spec, against, max_off_domain)


def against_earlier(newest: Profile, baseline: Profile, restricted: Collection[str]) -> Iterator[Anomaly]:
    """Yield where new data contradicts the schema that earlier data suggests.

    Args:
        restricted: Columns of which only the presence is judged.
    """
    columns = {column.name: column for column in newest.columns}
    schema = infer_schema(baseline)
    for earlier in baseline.columns:
        expected = schema[earlier.name]
        if earlier.name in restricted:
            expected = ColumnSpec(required=expected.required)
        if earlier.rows > earlier.nulls:
            yield from _against_column(columns.get(earlier.name), earlier, expected)
    for name in columns.keys() - schema.keys():
        if columns[name].rows > columns[name].nulls:
            message = f"expected the columns of earlier data, received {name} too"
            yield found("SCHEMA_NEW_COLUMN", name, message, "drift")


def _against_column(
    column: ColumnProfile | None, earlier: ColumnProfile, expected: ColumnSpec
) -> Iterator[Anomaly]:
    if column is None:
        message = f"expected a column {earlier.name} as in earlier data, received none"
        yield found("SCHEMA_MISSING_COLUMN", earlier.name, message, "drift")
    elif column.rows > column.nulls:
        yield from check_column(column, expected, "drift", MAX_OFF_DOMAIN)
        if names_rows(earlier) is None and (why := names_rows(column)) is not None:
            message = (
                f"expected values of {column.name} to come again as in earlier data, received others. {why}"
            )
            yield found("FEATURE_TYPE_HIGH_UNIQUE", column.name, message, "drift")


def beyond_type(column: ColumnProfile, *, is_big: bool) -> AnomalyType:
    """Name the anomaly of a number that is greater or less than it may be."""
    if column.type == "int":
        return "INT_TYPE_BIG_INT" if is_big else "INT_TYPE_SMALL_INT"
    return "FLOAT_TYPE_BIG_FLOAT" if is_big else "FLOAT_TYPE_SMALL_FLOAT"


def _fits(received: ColumnType, expected: ColumnType) -> bool:
    """Say whether a type holds nothing that the expected one could not."""
    if received in NUMBERS and expected in NUMBERS:
        return NUMBERS.index(received) <= NUMBERS.index(expected)
    return received == expected


def _wrong_type(
    column: ColumnProfile, expected: ColumnType, spec: ColumnSpec, against: Comparison
) -> Anomaly:
    kind = WRONG_TYPES.get((expected, column.type), "UNEXPECTED_DATA_TYPE")
    if expected == "string" and spec.values is not None:
        kind = WRONG_TYPES_OF_CATEGORIES.get(column.type, kind)
    return found(
        kind, column.name, f"expected {column.name} to be {expected}, received {column.type}", against
    )


def _beyond(column: ColumnProfile, spec: ColumnSpec, against: Comparison) -> Iterator[Anomaly]:
    if column.numeric is None:
        return
    least, greatest = column.numeric.minimum, column.numeric.maximum
    if spec.minimum is not None and least < spec.minimum:
        message = f"expected {column.name} to be at least {spec.minimum:.15g}, received {least:.15g}"
        yield found(beyond_type(column, is_big=False), column.name, message, against, least, spec.minimum)
    if spec.maximum is not None and greatest > spec.maximum:
        message = f"expected {column.name} to be at most {spec.maximum:.15g}, received {greatest:.15g}"
        yield found(beyond_type(column, is_big=True), column.name, message, against, greatest, spec.maximum)


def _off_domain(
    column: ColumnProfile, spec: ColumnSpec, against: Comparison, max_off_domain: float
) -> Iterator[Anomaly]:
    if spec.values is None or column.categorical is None:
        return
    known = frozenset(spec.values)
    others = {text: times for text, times in column.categorical.vocabulary if text not in known}
    share = sum(others.values()) / (column.rows - column.nulls)
    if share > max_off_domain:
        some = ", ".join(repr(text[:TOLD_CHARACTERS]) for text in list(others)[:TOLD_VALUES])
        more = f" and {len(others) - TOLD_VALUES} others" * (len(others) > TOLD_VALUES)
        message = (
            f"expected {column.name} to be one of {len(known)} known texts, received {some}{more} in "
            f"{share:.2%} of the values"
        )
        kind: AnomalyType = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
        yield found(kind, column.name, message, against, share, max_off_domain)
