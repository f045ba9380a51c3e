"""Rules of a window's columns: the union over its spans, in types that hold every value."""

from datetime import UTC, datetime
from typing import get_args

import pyarrow as pa
import pytest

from tidemill_contracts.columns import Privacy
from tidemill_contracts.manifest import Column, SpanManifest
from tidemill_contracts.profile import ColumnType
from tidemill_transform.columns import conform, readable, schema_of, union


def a_manifest(**types: ColumnType) -> SpanManifest:
    return a_manifest_of(*(Column(name=name, type=kind) for name, kind in types.items()))


def a_manifest_of(*columns: Column) -> SpanManifest:
    facts = {"pipeline": "p", "span_id": "s", "spec_digest": "d", "object_name": "o"}
    counts = {"generation": 1, "size_bytes": 1, "rows": 1, "rows_rejected": 0}
    return SpanManifest.model_validate({**facts, **counts, "columns": columns})


@pytest.mark.parametrize(
    ("one", "other", "widest"),
    [
        ("bool", "int", "int"),
        ("bool", "float", "float"),
        ("int", "float", "float"),
        ("int", "string", "string"),
        ("timestamp", "string", "string"),
        ("timestamp", "int", "string"),
        *((kind, kind, kind) for kind in get_args(ColumnType)),
    ],
)
def test_a_column_has_the_widest_of_its_types(one: ColumnType, other: ColumnType, widest: ColumnType) -> None:
    for first, second in ((one, other), (other, one)):
        assert union([a_manifest(x=first), a_manifest(x=second)], {}) == (Column(name="x", type=widest),)


def test_columns_stand_in_order_of_appearance() -> None:
    columns = union([a_manifest(b="int", a="int"), a_manifest(c="int", a="int")], {})

    assert [column.name for column in columns] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("value", "column_type", "text"),
    [
        (True, pa.bool_(), "true"),
        (7, pa.int64(), "7"),
        (1.5, pa.float64(), "1.5"),
        (datetime(2013, 1, 1, 10, tzinfo=UTC), pa.timestamp("us", "UTC"), "2013-01-01 10:00:00.000000Z"),
    ],
)
def test_values_of_conflicting_types_become_texts(value: object, column_type: pa.DataType, text: str) -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([value, None], column_type)], ["x"])

    assert conform(rows, schema_of([Column(name="x", type="string")])).to_pydict() == {"x": [text, None]}


def test_what_is_no_number_becomes_null() -> None:
    rows = pa.RecordBatch.from_pydict({"x": [1.5, float("nan"), float("inf"), None]})

    conformed = conform(rows, schema_of([Column(name="x", type="float"), Column(name="y", type="bool")]))

    assert conformed.to_pydict() == {"x": [1.5, None, float("inf"), None], "y": [None] * 4}


def test_a_column_has_at_least_its_declared_type() -> None:
    spans = [a_manifest(zip="int", hour="float", carrier="string")]

    columns = union(spans, {"zip": "string", "hour": "int", "carrier": "int", "nowhere": "int"})

    assert columns == (
        Column(name="zip", type="string"),
        Column(name="hour", type="float"),
        Column(name="carrier", type="string"),
    )


@pytest.mark.parametrize(
    ("one", "other", "strictest"),
    [("keep", "mask", "mask"), ("keep", "hash", "hash"), ("mask", "hash", "hash"), ("hash", "hash", "hash")],
)
def test_a_column_is_as_private_as_in_the_span_that_guards_it_most(
    one: Privacy, other: Privacy, strictest: Privacy
) -> None:
    first, second = (
        a_manifest_of(Column(name="x", type="int" if privacy == "keep" else "string", privacy=privacy))
        for privacy in (one, other)
    )
    (column,) = union([first, second], {})

    assert column == Column(name="x", type="string", privacy=strictest)
    assert readable(first, [column]) == (("x",) if one == strictest else ())
    assert readable(second, [column]) == ("x",)


def test_a_column_that_any_span_drops_is_none_of_the_window() -> None:
    dropped = a_manifest_of(Column(name="x", type="int", privacy="drop"), Column(name="y", type="int"))

    assert union([a_manifest(x="int", y="int"), dropped], {}) == (Column(name="y", type="int"),)
