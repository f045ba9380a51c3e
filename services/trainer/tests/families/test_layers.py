"""Rules of the layers: what encoded columns become, and nothing of what training has not seen."""

from typing import Any

import numpy as np
import pytest

from tidemill_contracts.profile import FeatureOptions, NumericProfile
from tidemill_trainer.families.layers import Bags, Cycles, Ids, Numbers, Slopes, Steps
from tidemill_trainer.preprocessing.knots import find_knots
from tidemill_trainer.preprocessing.plan import Number

PROFILE = NumericProfile(
    minimum=-50, maximum=50, mean=0, stddev=10, quantiles=tuple(float(value) for value in range(-50, 51))
)


def a_number(**options: Any) -> Number:
    choices = FeatureOptions(**options)
    knots = find_knots(np.arange(-50, 51).repeat(50).astype(np.float32), choices.bins)
    return Number("x", choices, PROFILE, gaps=True, knots=knots)


def scale(*values: float, **options: Any) -> tuple[Any, Any]:
    """Score numbers, and tell what they add: for every bin they are through 1, 100 where they are missing."""
    layer = Slopes([a_number(**options)], units=1)
    layer.build(None)
    bins, missing = layer.weights
    layer.set_weights([np.ones(bins.shape), np.full(missing.shape, 100)])
    scores, added = layer(np.array(values, np.float32)[:, None])
    return scores.numpy()[:, 0].tolist(), added.numpy()[:, 0].tolist()


def test_a_number_becomes_its_score_within_limits_and_adds_what_its_bins_do() -> None:
    scores, added = scale(0, 10, -1000, 1000, bins=4)

    assert scores == [0, 1, -5, 5]
    assert added == [2, pytest.approx(2.4), 0, 4]


def test_a_missing_number_has_the_score_0_and_adds_what_missing_ones_do() -> None:
    scores, added = scale(np.nan, 1000, bins=4)

    assert scores == [0, 5]
    assert added == [100, 4]


def test_a_missing_number_is_the_mean_where_it_is_not_to_be_told_apart() -> None:
    missing, mean = (scale(value, bins=4, missing_indicator=False) for value in (np.nan, 0))

    assert missing == mean


def test_without_bins_a_number_adds_nothing() -> None:
    assert scale(-7, 7, bins=0)[1] == [0, 0]


def test_numbers_may_stay_as_they_are() -> None:
    scores, _ = scale(-7, 1e6, scale="none")

    assert scores == [-7, 1e6]


def test_logarithms_rise_on_both_sides_of_0() -> None:
    scores, _ = scale(-9, -1, 0, 1, 9, scale="log")

    assert scores == sorted(scores)
    assert scores[3] - scores[2] == pytest.approx(scores[2] - scores[1])
    assert scores[4] - scores[2] == pytest.approx(scores[2] - scores[0])


def test_the_end_of_a_cycle_is_as_near_to_its_beginning_as_to_what_is_before() -> None:
    hours = np.array([[22], [23], [0], [np.nan]], np.float32)

    before, last, first, missing = Cycles(["hour"])(hours).numpy()

    assert np.linalg.norm(first[1:] - last[1:]) == pytest.approx(np.linalg.norm(last[1:] - before[1:]))
    assert (first[0], last[0]) == (-1, pytest.approx(1 - 2 / 24))
    assert missing.tolist() == [0, 0, 0, 1]


def test_every_part_is_looked_up_in_its_own_cycle() -> None:
    parts = np.array([[12, 0, 59], [1, 6, 0]], np.float32)

    rows = Cycles(["month", "weekday", "minute"])(parts).numpy().reshape(2, 3, 4)

    assert rows[:, :, 0] == pytest.approx(np.array([[2 * 11 / 12 - 1, -1, 2 * 59 / 60 - 1], [-1, 5 / 7, -1]]))


def test_ids_of_different_columns_have_different_embeddings() -> None:
    layer = Ids([3, 2], units=1)
    layer.build(None)
    layer.weights[0].assign(np.arange(5, dtype=np.float32)[:, None])

    assert layer(np.array([[0, 0], [2, 1]])).numpy().tolist() == [[0, 3], [2, 4]]


def test_a_bag_is_the_mean_of_its_words_in_any_order() -> None:
    layer = Bags(texts=2, buckets=4, units=1)
    layer.build(None)
    layer.weights[0].assign(np.arange(8, dtype=np.float32)[:, None])
    words = np.array([[[1, 2, 0], [0, 0, 0]], [[2, 1, 0], [4, 4, 1]]], np.int32)

    assert layer(words).numpy().tolist() == [[0.5, 0], [0.5, pytest.approx((7 + 7 + 4) / 3)]]


@pytest.mark.parametrize("layer", [Slopes, Steps])
def test_numbers_add_nothing_before_training(layer: type[Numbers]) -> None:
    scores = layer([a_number()], units=3)

    assert not scores(np.array([[np.nan], [7]], np.float32))[1].numpy().any()


def test_each_bin_adds_its_own_and_so_does_what_is_missing_or_beyond_all() -> None:
    layer = Steps([a_number(bins=4)], units=1)
    layer.build(None)
    layer.weights[0].assign(np.arange(7, dtype=np.float32)[:, None])

    added = layer(np.array([[-99], [-50], [-49], [0], [50], [99], [np.nan]], np.float32))[1]

    assert added.numpy()[:, 0].tolist() == [0, 1, 1, 3, 5, 5, 6]


def test_what_training_has_not_seen_adds_nothing() -> None:
    ids, bags = Ids([9], units=3), Bags(texts=1, buckets=9, units=3)

    assert not ids(np.array([[8]])).numpy().any()
    assert not bags(np.array([[[9]]], np.int32)).numpy().any()
