"""Rules of what stands for an answer, which bucket it falls into, and how far two lie apart."""

from typing import Any

import numpy as np
import pytest

from tidemill_contracts.observing import (
    LATENCY_SECONDS,
    TEXT_BUCKETS,
    answer_bucket,
    answer_name,
    coarser,
    count_answer,
    distances,
    sound,
)


def test_latency_bounds_rise_from_a_tenth_of_a_millisecond_to_ten_seconds() -> None:
    assert list(LATENCY_SECONDS) == sorted(set(LATENCY_SECONDS))
    assert (LATENCY_SECONDS[0], LATENCY_SECONDS[-1]) == (0.0001, 10)


@pytest.mark.parametrize(
    ("outputs", "name"),
    [
        (["class", "probabilities", "probability"], "probability"),
        (["class", "probabilities"], "probabilities"),
        (["value", "class"], "class"),
        (["quantiles", "value"], "value"),
        (["z", "b"], "b"),
    ],
)
def test_one_output_stands_for_the_answer(outputs: list[str], name: str) -> None:
    assert answer_name(outputs) == name


@pytest.mark.parametrize(
    ("row", "bucket"),
    [
        (0.0, "0"),
        (0.00015, "0.0001"),
        (np.float32(0.42), "0.4"),
        (0.97, "0.95"),
        (0.9996, "0.9995"),
        (1.0, "1"),
        (100.0, "90.51"),
        (-0.42, "-0.45"),
        (-1e30, "<"),
        (3, "2.828"),
        (b"late", "#149"),
        ("late", "#149"),
        (np.array([[7.0]]), "6.727"),
        (np.array([]), "other"),
        (np.array([b"a", b"b"], object), "#67"),
    ],
)
def test_an_answer_falls_into_the_bucket_of_its_lower_bound_or_its_text(row: Any, bucket: str) -> None:
    assert answer_bucket("value", row) == bucket


def test_probabilities_fall_into_the_likeliest_class_and_how_likely_it_is() -> None:
    assert answer_bucket("probabilities", np.array([0.1, 0.7, 0.2])) == "1:7"
    assert answer_bucket("probabilities", np.array([0.0, 1.0])) == "1:10"
    assert answer_bucket("probabilities", np.eye(1000)[999]) == "64:10"


def test_answers_on_both_sides_of_a_bound_share_one_of_two_coarser_buckets() -> None:
    for one, other in (("0.5", "0.55"), ("0.45", "0.5"), ("1:7", "1:8"), ("1:8", "1:9")):
        together = [coarser(one, offset) == coarser(other, offset) for offset in (0, 1)]
        assert sorted(together) == [False, True]
    assert coarser("1:8", 0) != coarser("2:8", 0)
    assert coarser("#8", 1) == "#8"


def test_buckets_are_bounded_whatever_texts_a_model_answers() -> None:
    counts: dict[str, int] = {}

    for number in range(1000):
        count_answer(counts, answer_bucket("class", f"text {number}"))

    assert TEXT_BUCKETS / 2 < len(counts) <= TEXT_BUCKETS
    assert sum(counts.values()) == 1000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_in_any_output_that_is_not_finite_makes_an_answer_unsound(bad: float) -> None:
    fine = {"probability": np.ones(2), "class": np.array([b"a", b"b"], object), "n": np.ones(2, np.int64)}

    assert sound(fine)
    assert not sound({**fine, "quantiles": np.array([[1.0, bad], [0, 0]], np.float32)})


def test_numbers_are_apart_by_their_difference_or_relative_to_the_larger() -> None:
    one = np.array([0.2, 100.0, -5.0, 0.0, 1e30], np.float32)
    other = np.array([0.5, 50.0, 5.0, 0.0, -1e30], np.float32)

    np.testing.assert_allclose(distances(one, other), [0.3, 0.5, 1, 0, 1], atol=1e-6)


def test_of_a_row_of_numbers_those_furthest_apart_count() -> None:
    one, other = np.array([[0.1, 0.9], [0.5, 0.5]]), np.array([[0.2, 0.4], [0.5, 0.5]])

    np.testing.assert_allclose(distances(one, other), [0.5, 0])


def test_what_is_not_finite_equals_itself_only() -> None:
    one = np.array([np.nan, np.nan, np.inf, np.inf, 1])
    other = np.array([np.nan, 1, np.inf, -np.inf, np.inf])

    np.testing.assert_array_equal(distances(one, other), [0, 1, 0, 1, 1])


def test_texts_are_equal_or_not_and_other_shapes_and_kinds_are_wholly_apart() -> None:
    texts = np.array([b"a", b"b"], object)

    np.testing.assert_array_equal(distances(texts, np.array([b"a", b"c"], object)), [0, 1])
    np.testing.assert_array_equal(distances(texts, np.ones(2)), [1, 1])
    np.testing.assert_array_equal(distances(np.ones(2), np.ones(3)), [1, 1])
    np.testing.assert_array_equal(distances(np.array(1.0), np.array(1.5)), [1 / 3])
    assert distances(np.ones((0, 2)), np.ones((0, 2))).shape == (0,)
