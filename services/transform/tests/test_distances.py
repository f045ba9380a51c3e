"""Rules of distances: the numbers are TensorFlow Data Validation's; neither outliers nor ties blind them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from profile_world import a_label, numbers, profile_of, texts

from tidemill_contracts.distances import (
    MIN_VALUES,
    Distance,
    between_columns,
    between_labels,
    in_common_bins,
    jensen_shannon,
    l_infinity,
    missing,
)
from tidemill_contracts.profile import LabelProfile, NumericProfile

RANDOM = np.random.default_rng(7)


def divergence(one: ArrayLike, other: ArrayLike) -> float:
    """How far apart profiles of some numbers are."""
    profiles = [profile_of({"x": np.array(values, float)}).column("x") for values in (one, other)]
    distance = between_columns(*profiles)
    assert distance is not None
    assert distance.metric == "jensen_shannon"
    return distance.value


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, Distance("l_infinity", 0)),
        (
            {"hello": 0.1, "world": 0.9},
            {"hello": 0.3, "world": 0.7},
            Distance("l_infinity", 0.2, "hello or world"),
        ),
        ({"b": 0.9, "c": 0.1}, {"a": 0.3, "b": 0.7}, Distance("l_infinity", 0.3, "a")),
    ],
)
def test_l_infinity_is_the_largest_difference_of_a_share(
    one: dict[str, float], other: dict[str, float], expected: Distance
) -> None:
    """The cases are those of TensorFlow Data Validation's own tests."""
    for measured in (l_infinity(one, other), l_infinity(other, one)):
        assert measured.value == pytest.approx(expected.value)
        assert (measured.most or "") in (expected.most or "")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0.5, 0.5, 0, 0], [0, 0.25, 0.25, 0.5], 0.65563906222),
        ([0.25, 0.75], [0, 1], 0.13792538096),
        ([0.4, 0.4, 0.2, 0, 0, 0], [0.4, 0, 0, 0.2, 0.2, 0.2], 0.6),
        ([0.5, 0.5, 0], [0.5, 0, 0.5], 0.5),
        ([1, 0], [0, 1], 1),
        ([0.3, 0.7], [0.3, 0.7], 0),
    ],
)
def test_jensen_shannon_is_in_bits(one: list[float], other: list[float], expected: float) -> None:
    """The cases are those of TensorFlow Data Validation's own tests, in common bins."""
    assert jensen_shannon(np.array(one), np.array(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.linspace(1, 3, 4000), np.linspace(2, 6, 4000), 0.6556),
        (np.linspace(0, 2, 4000), np.linspace(3, 6, 4000), 1),
        ([1.0] * 50, np.linspace(2, 6, 50), 1),
        ([1.0] * 50, [2.33] * 50, 1),
        ([10.0] * 50, np.linspace(0, 20, 4000), 1),
        ([0.0, 1.0] * 50, [0.0, 2.0] * 50, 0.5),
        ([0.0] * 50 + [1.5] * 50, [1.0] * 50 + [2.0] * 50, 1),
    ],
)
def test_numbers_are_as_far_apart_as_their_distributions(
    one: ArrayLike, other: ArrayLike, expected: float
) -> None:
    """The cases are those of TensorFlow Data Validation's own tests, as values; few bins hide a little."""
    assert divergence(one, other) == pytest.approx(expected, abs=0.06)


def test_one_outlier_neither_makes_a_drift_nor_hides_one() -> None:
    ages, older = RANDOM.normal(40, 10, 5000), RANDOM.normal(60, 10, 5000)
    outlier = np.append(RANDOM.normal(40, 10, 5000), 1e12)

    assert divergence(ages, outlier) < 0.01
    assert divergence(outlier, older) == pytest.approx(divergence(ages, older), abs=0.02)
    assert divergence(ages, older) > 0.3


@pytest.mark.parametrize("highest", [2, 5, 24, 60, 150, 365])
def test_whole_numbers_of_one_distribution_are_not_taken_for_two(highest: int) -> None:
    one, other = RANDOM.integers(0, highest, (2, 3000))

    assert divergence(one, other) < 0.02


@pytest.mark.parametrize("rows", [100, 300, 1000])
def test_few_rows_of_one_distribution_are_not_taken_for_two(rows: int) -> None:
    assert max(divergence(*RANDOM.normal(size=(2, rows))) for _ in range(20)) < 0.15


def test_what_lies_between_two_quantiles_counts_half_for_either() -> None:
    one = NumericProfile(minimum=0, maximum=10, mean=5, stddev=1, quantiles=(0, 5, 10))
    other = NumericProfile(minimum=0, maximum=10, mean=5, stddev=1, quantiles=(0, 10))

    shares, other_shares = in_common_bins(one, other)

    assert shares.tolist() == [0.25, 0.5, 0.25]
    assert other_shares.tolist() == [0.5, 0, 0.5]


def test_bins_hold_a_tenth_of_both_sides_and_what_is_frequent_has_its_own() -> None:
    one = numbers(range(100)).numeric
    other = numbers([50] * 100).numeric
    assert one is not None
    assert other is not None

    shares, other_shares = in_common_bins(one, one)
    frequent, alone = in_common_bins(one, other)

    assert len(shares) == 10
    assert shares.min() >= 0.05
    assert alone.max() == pytest.approx(1)
    assert frequent[alone.argmax()] == pytest.approx(0.01)
    assert np.array_equal(shares, other_shares)


def test_infinite_numbers_are_a_bin_of_their_own() -> None:
    whole = numbers(range(100), rows=100)
    half_infinite = numbers(range(100), rows=200, infinities=100)

    assert between_columns(half_infinite, half_infinite) == Distance("jensen_shannon", 0)
    # Half of the mass has no counterpart: that is (1 + 0.5 log2(1/1.5) ...) / 2 = 0.3113 bits.
    distance = between_columns(whole, half_infinite)
    assert distance is not None
    assert distance.value == pytest.approx(0.3113, abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(allow_nan=False), min_size=MIN_VALUES, max_size=90),
    st.lists(st.floats(allow_nan=False), min_size=MIN_VALUES, max_size=90),
)
def test_a_divergence_is_between_0_and_1_the_same_both_ways_and_0_from_itself(
    one: list[float], other: list[float]
) -> None:
    profiles = [profile_of({"x": values}).column("x") for values in (one, other)]
    there, back = between_columns(*profiles), between_columns(*reversed(profiles))

    assert (there is None) == (back is None) == any(column.numeric is None for column in profiles)
    if there is not None and back is not None:
        assert 0 <= there.value <= 1
        assert back.value == pytest.approx(there.value)
        assert between_columns(profiles[0], profiles[0]) == Distance("jensen_shannon", 0)


def test_texts_are_compared_by_their_shares_of_the_values() -> None:
    """Missing values, and texts that are not in the vocabulary, do not change the shares of others."""
    one = texts({"a": 50, "b": 50}, nulls=100)
    other = texts({"a": 20}).model_copy(update={"rows": 100})

    assert between_columns(one, other) == Distance("l_infinity", 0.5, "b")


def test_only_values_count_and_missing_ones_do_not() -> None:
    one, other = texts({"a": 30, "b": 30}, nulls=40), texts({"a": 49}, nulls=51)

    assert between_columns(one, other) is None
    assert between_columns(one, one) == Distance("l_infinity", 0, "a")


def test_too_few_values_are_not_compared_nor_are_texts_with_numbers() -> None:
    few, enough = texts({"a": MIN_VALUES - 1}), texts({"b": MIN_VALUES})

    assert between_columns(few, enough) is None
    assert between_columns(enough, enough) == Distance("l_infinity", 0, "b")
    assert between_columns(enough, numbers(range(100))) is None


@pytest.mark.parametrize(
    ("nulls", "rows", "expected"), [(0, 100, 0.1), (60, 100, 0.5), (49, 49, 0.0), (50, 50, 0.9)]
)
def test_missing_values_are_compared_by_their_share_of_the_rows(
    nulls: int, rows: int, expected: float
) -> None:
    one = numbers([1], rows=1000, nulls=100)
    other = numbers([1], rows=rows, nulls=nulls)

    assert missing(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"classes": (("false", 50), ("true", 50))}, {"classes": (("false", 80), ("true", 20))}, 0.3),
        ({"classes": (("false", 0), ("true", 50))}, {"classes": (("false", 50), ("true", 0))}, 1),
        ({"classes": (("false", 20), ("true", 29))}, {"classes": (("false", 80), ("true", 20))}, None),
        (
            {"task": "regression", "numeric": numbers([0] * 9).numeric},
            {"task": "regression", "numeric": numbers([1] * 9).numeric},
            1,
        ),
        ({"task": "regression", "numeric": numbers([0] * 9).numeric}, a_label(100).model_dump(), None),
    ],
)
def test_labels_are_compared_by_their_classes_or_numbers(
    one: dict[str, Any], other: dict[str, Any], expected: float | None
) -> None:
    labels = [LabelProfile.model_validate({"task": "binary", **label}) for label in (one, other)]

    distance = between_labels(*labels)

    assert (distance and distance.value) == pytest.approx(expected)
