"""Rules of a window's columns: the union over its spans, in types that hold every value."""

from datetime import UTC, datetime
from typing import get_args

import pyarrow as pa
import pytest

from tidemill_contracts.manifest import Column, SpanManifest
from tidemill_contracts.profile import ColumnType
from tidemill_transform.columns import conform, schema_of, union


def a_manifest(**types: ColumnType) -> SpanManifest:
    columns = tuple(Column(name=name, type=kind) for name, kind in types.items())
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
        assert union([a_manifest(x=first), a_manifest(x=second)]) == (Column(name="x", type=widest),)


def test_columns_stand_in_order_of_appearance() -> None:
    columns = union([a_manifest(b="int", a="int"), a_manifest(c="int", a="int")])

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
