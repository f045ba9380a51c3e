"""Rules of parts: every row is in exactly one, and fulfils the condition that is written on it."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_trainer.evaluation.conditions import conditions_on
from tidemill_trainer.evaluation.parts import divide, divide_by_all

NUMBERS = st.one_of(
    st.integers(-3, 3).map(float), st.floats(width=32, allow_infinity=False), st.just(float("nan"))
)


def holds(condition: str, value: Any) -> bool:
    """Read a condition on a column `x` as a person would."""
    if condition.endswith(" is missing"):
        return value == "" if isinstance(value, str) else bool(np.isnan(value))
    if isinstance(value, str):
        return condition == f"x = {value}"
    if both := re.fullmatch(r"(\S+) <= x < (\S+)", condition):
        return bool(np.float32(both[1]) <= value < np.float32(both[2]))
    _, sign, bound = condition.split(" ")
    limit = np.float32(bound)
    return bool({"=": value == limit, "<": value < limit, ">=": value >= limit}[sign])


@given(values=st.lists(NUMBERS, min_size=1, max_size=40), most=st.integers(2, 8))
def test_a_number_is_in_the_part_that_its_condition_describes(values: list[float], most: int) -> None:
    column = np.array(values, np.float32)

    parts = divide("x", column, most)

    assert len(parts.conditions) <= 24 + 1
    for value, code in zip(column, parts.codes, strict=True):
        assert [holds(condition, value) for condition in parts.conditions] == [
            code == place for place in range(len(parts.conditions))
        ]


@given(values=st.lists(st.text("abc", max_size=2), min_size=1, max_size=40), most=st.integers(1, 5))
def test_a_text_is_in_the_part_of_its_value_or_rare(values: list[str], most: int) -> None:
    parts = divide("x", np.array(values, object), most)

    assert len(parts.conditions) <= most + 2
    for value, code in zip(values, parts.codes, strict=True):
        named = [place for place, condition in enumerate(parts.conditions) if holds(condition, value)]
        assert named == [code] or (not named and parts.conditions[code] == "x is rare")


@given(values=st.lists(NUMBERS, min_size=1, max_size=40))
def test_a_condition_holds_for_the_rows_it_is_said_to(values: list[float]) -> None:
    column = np.array(values, np.float32)

    conditions = conditions_on("x", column)

    if conditions is None:
        assert len({str(value) for value in column + np.float32(0)}) == 1
        return
    assert len(np.unique(conditions.members, axis=0)) == len(conditions.texts)
    for place, text in enumerate(conditions.texts):
        assert conditions.rows(place).tolist() == [holds(text, value) for value in column]


def test_the_rarer_of_equally_many_values_does_not_depend_on_their_order() -> None:
    texts = np.array(["b", "a", "c", "c"], object)

    assert divide("x", texts, 2).conditions == divide("x", texts[::-1], 2).conditions


def test_several_columns_make_the_combinations_that_occur() -> None:
    columns = {"x": np.array(["a", "a", "b"], object), "hour": np.array([1.0, 2.0, 1.0])}

    parts = divide_by_all(columns, ("x", "hour"), 5)

    assert [parts.conditions[code] for code in parts.codes] == [
        "x = a and hour = 1",
        "x = a and hour = 2",
        "x = b and hour = 1",
    ]


@pytest.mark.parametrize(
    ("value", "written"), [(0.1, "0.1"), (1e-7, "1e-07"), (3e20, "3e+20"), (17, "17"), (-0.5, "-0.5")]
)
def test_numbers_are_written_as_a_person_would(value: float, written: str) -> None:
    assert divide("x", np.array([value], np.float32), 4).conditions == (f"x = {written}",)


def test_bounds_of_many_numbers_are_short() -> None:
    parts = divide("x", np.random.default_rng(0).normal(100, 1, 1000).astype(np.float32), 4)

    assert parts.conditions == ("x < 99.31", "99.31 <= x < 99.93", "99.93 <= x < 100.62", "x >= 100.62")
