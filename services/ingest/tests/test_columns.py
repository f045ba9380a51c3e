"""Rules of column types: the narrowest that fits, and never a changed value."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import convert, infer_types
from tidemill_ingest.exact import holds_long, holds_padded


def text_batch(cells: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(cells, pa.string())], names=["c"])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", None], "int"),
        (["0", "1", "1"], "int"),
        (["1", "2.5"], "float"),
        (["1e3", ".5", "-1."], "float"),
        (["true", "FALSE", "True"], "bool"),
        (["2013-01-01", "2013-01-02"], "timestamp"),
        (["2013-01-01T05:00:00Z", "2013-01-01 06:00:00"], "timestamp"),
        (["2013-01-01", "2013-02-31"], "timestamp"),
        (["1", "x"], "string"),
        ([None, None], "string"),
        (["007", "12345678901234567890"], "string"),
        ([" 1", "2 "], "int"),
    ],
)
def test_a_column_has_the_narrowest_type_its_cells_fit(cells: list[str | None], expected: ColumnType) -> None:
    assert infer_types([text_batch(cells)]) == {"c": expected}


def test_a_type_is_inferred_over_all_batches() -> None:
    assert infer_types([text_batch(["1"] * 10), text_batch(["1.5"] * 10)]) == {"c": "float"}
    assert infer_types([text_batch(["1"] * 10), text_batch(["x"] * 10)]) == {"c": "string"}


@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=1, max_size=40))
def test_every_row_is_kept_with_its_value_or_rejected_with_a_reason(cells: list[str | None]) -> None:
    batch = text_batch(cells)
    for column_type in ("int", "float", "bool", "timestamp", "string"):
        converted = convert(batch, {"c": column_type})
        assert converted.rows.num_rows + len(converted.misfits) == len(cells)
        kept_nulls = converted.rows.column(0).null_count
        assert kept_nulls == cells.count(None)


@given(st.lists(st.none() | st.text("019xX+-. \t\n,é", max_size=22), min_size=1))
def test_numbers_that_are_not_given_back_as_they_were_are_found(cells: list[str | None]) -> None:
    column = pa.array([None, *cells], pa.string())[1:]

    assert holds_padded(column) == any(
        re.match(r"\s*[-+]?0[0-9xX]", cell, re.ASCII) for cell in cells if cell
    )
    assert holds_long(column) == any(
        re.fullmatch(r"\s*[-+]?[0-9]{19,}\s*", cell, re.ASCII) for cell in cells if cell
    )


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_survive_unchanged(values: list[int]) -> None:
    converted = convert(text_batch([str(value) for value in values]), {"c": "int"})

    assert converted.rows.column(0).to_pylist() == values
