"""Rules of the split: a row's side follows from what it says, for ever."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_transform.split import SplitRule

SIDES = """
import pyarrow as pa
from tidemill_transform.split import SplitRule
rows = pa.RecordBatch.from_pydict({"carrier": [str(n) for n in range(24)], "distance": list(range(24))})
rule = SplitRule(eval_share=0.5, undecisive=frozenset())
print("".join("e" if held_out else "t" for held_out in rule.in_eval(rows, rows)))
"""


def sides(rows: pa.RecordBatch, without: tuple[str, ...] = ()) -> list[bool]:
    # Half the rows on each side: a changed hash shows soonest.
    rule = SplitRule(eval_share=0.5, undecisive=frozenset(without))
    return [bool(held_out) for held_out in rule.in_eval(rows, rows)]


def many(rows: int, **types: pa.DataType) -> pa.RecordBatch:
    values = list(range(rows))
    return pa.RecordBatch.from_arrays([pa.array(values).cast(kind) for kind in types.values()], list(types))


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_sides_are_the_same_in_every_process_and_version(hash_seed: str) -> None:
    """A failure after an upgrade means that rows would cross between training and evaluation."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", SIDES], env=environment, capture_output=True, check=True, timeout=60
    )

    assert answer.stdout.decode().strip() == "teteeeetetetteteteteeeet"


@given(st.data())
def test_a_row_has_its_side_wherever_it_stands(data: st.DataObject) -> None:
    rows = many(40, distance=pa.int64(), carrier=pa.string())
    order = data.draw(st.permutations(range(40)))

    shuffled = sides(rows.take(pa.array(order)))

    assert shuffled == [sides(rows)[place] for place in order]


@pytest.mark.parametrize(
    "same",
    [
        many(60, distance=pa.float64(), carrier=pa.string()),
        many(60, carrier=pa.string(), distance=pa.int64()),
        many(60, distance=pa.int64(), carrier=pa.string()).append_column("gate", pa.nulls(60, pa.string())),
        many(60, distance=pa.int64(), carrier=pa.string()).append_column("fee", pa.array([np.nan] * 60)),
        many(60, distance=pa.int64(), carrier=pa.string(), at=pa.timestamp("us")),
    ],
    ids=["as-floats", "other-order", "null-column", "nan-column", "timestamps"],
)
def test_rows_that_say_the_same_are_on_the_same_side(same: pa.RecordBatch) -> None:
    rows = many(60, distance=pa.int64(), carrier=pa.string())

    assert sides(same) == sides(rows)


def test_columns_that_must_not_decide_do_not() -> None:
    rows = many(60, distance=pa.int64(), carrier=pa.string())

    assert sides(rows, without=("carrier",)) == sides(many(60, distance=pa.int64()))


def test_every_other_column_decides() -> None:
    rows = many(60, distance=pa.int64(), carrier=pa.string(), late=pa.bool_())

    for column in rows.schema.names:
        others = tuple(name for name in rows.schema.names if name != column)
        assert sides(rows) != sides(rows, without=(column,)), column
        assert sides(rows) != sides(rows, without=others), column


def test_minus_zero_is_zero() -> None:
    texts = [str(number) for number in range(60)]
    zeros, minus_zeros = (pa.RecordBatch.from_pydict({"x": [zero] * 60, "y": texts}) for zero in (0.0, -0.0))

    assert sides(zeros) == sides(minus_zeros)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.9])
def test_the_share_held_out_is_the_one_asked_for(share: float) -> None:
    rows = many(20_000, distance=pa.int64(), carrier=pa.string())

    held_out = SplitRule(eval_share=share, undecisive=frozenset()).in_eval(rows, rows)

    # Four standard deviations of a fair draw.
    assert abs(held_out.mean() - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def by_group(rows: pa.RecordBatch, *columns: str) -> list[bool]:
    rule = SplitRule(eval_share=0.5, undecisive=frozenset(columns), group_by=columns)
    return [bool(held_out) for held_out in rule.in_eval(rows, rows)]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 9), st.integers()), min_size=1))
def test_no_group_is_on_both_sides(visits: list[tuple[str, int, int]]) -> None:
    patients, hospitals, readings = (list(values) for values in zip(*visits, strict=True))
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array(patients),
            pa.array(hospitals, pa.int64()),
            pa.array([str(reading) for reading in readings]),
        ],
        ["patient", "hospital", "reading"],
    )

    for columns in (("patient",), ("patient", "hospital")):
        groups = list(zip(*(rows[name].to_pylist() for name in columns), strict=True))
        assert len(set(zip(groups, by_group(rows, *columns), strict=True))) == len(set(groups))


def test_groups_are_on_both_sides_in_the_share_asked_for() -> None:
    rows = many(20_000, patient=pa.int64(), reading=pa.string())
    rule = SplitRule(eval_share=0.2, undecisive=frozenset(), group_by=("patient",))

    assert rule.in_eval(rows, rows).mean() == pytest.approx(0.2, abs=0.012)


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    readings = many(60, reading=pa.string())
    without = readings.append_column("patient", pa.nulls(60, pa.string()))

    assert by_group(without, "patient") == sides(readings)
    assert set(by_group(without, "patient")) == {True, False}


def test_a_group_is_one_in_spans_that_read_it_in_different_types() -> None:
    as_window = many(60, patient=pa.string())
    rule = SplitRule(eval_share=0.5, undecisive=frozenset(), group_by=("patient",))

    assert (
        rule.in_eval(many(60, patient=pa.int64()), as_window).tolist()
        == rule.in_eval(as_window, as_window).tolist()
    )


def test_the_newest_rows_are_held_out_and_those_without_a_time_are_not() -> None:
    hours = pa.array([3, 1, None, 2, 3, 5], pa.timestamp("us", "UTC"))
    rows = pa.RecordBatch.from_arrays([hours], ["hour"])
    rule = SplitRule(eval_share=0.5, undecisive=frozenset(), time="hour", held_out_from=hours[0])

    assert rule.in_eval(rows, rows).tolist() == [True, False, False, False, True, True]


def test_where_no_row_has_a_time_none_is_held_out() -> None:
    rows = pa.RecordBatch.from_arrays([pa.nulls(3, pa.float64())], ["hour"])
    rule = SplitRule(eval_share=0.5, undecisive=frozenset(), time="hour")

    assert rule.in_eval(rows, rows).tolist() == [False] * 3
