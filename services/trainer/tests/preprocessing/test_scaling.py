"""Rules of scaling: scores around 0 whatever the options, and bins that share the rows out."""

from typing import Any

import numpy as np
import pytest

from tidemill_contracts.profile import FeatureOptions, NumericProfile
from tidemill_trainer.preprocessing.knots import find_knots
from tidemill_trainer.preprocessing.plan import Moment, Number
from tidemill_trainer.preprocessing.scaling import knots, mean_and_stddev, year_number

VALUES = np.random.default_rng(0).lognormal(3, 1, 10_000)


def a_number(values: Any = VALUES, **options: Any) -> Number:
    profile = NumericProfile(
        minimum=np.min(values),
        maximum=np.max(values),
        mean=np.mean(values),
        stddev=np.std(values),
        quantiles=tuple(np.quantile(values, np.linspace(0, 1, 101), method="inverted_cdf")),
    )
    choices = FeatureOptions(**options)
    return Number("x", choices, profile, gaps=False, knots=find_knots(np.asarray(values), choices.bins))


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ({}, VALUES),
        ({"clip": (0, 30)}, VALUES.clip(0, 30)),
        ({"scale": "log"}, np.log1p(VALUES)),
        ({"scale": "log", "clip": (10, 100)}, np.log1p(VALUES.clip(10, 100))),
    ],
    ids=["z-score", "clipped", "logarithm", "logarithm of clipped"],
)
def test_scores_lie_around_0_with_a_spread_of_1(options: dict[str, Any], read: Any) -> None:
    mean, stddev = mean_and_stddev(a_number(**options))

    scores = (read - mean) / stddev
    assert abs(scores.mean()) < 0.1
    assert 0.9 < scores.std() < 1.1


def test_a_number_may_stay_as_it_is() -> None:
    assert mean_and_stddev(a_number(scale="none")) == (0, 1)


def test_a_constant_and_a_column_without_numbers_can_be_scaled() -> None:
    assert mean_and_stddev(a_number(np.full(10, 7.0))) == (7, 1)
    assert mean_and_stddev(a_number(np.full(10, 7.0), clip=(0, 5))) == (5, 1)
    assert mean_and_stddev(Number("x", FeatureOptions(), None, gaps=True)) == (0, 1)
    assert len(knots(Number("x", FeatureOptions(), None, gaps=True))) == 1


@pytest.mark.parametrize("bins", [2, 5, 32])
def test_bins_share_the_rows_out_evenly(bins: int) -> None:
    ends = knots(a_number(bins=bins))

    shares = np.bincount(np.searchsorted(ends[1:-1], VALUES, side="right"), minlength=bins) / len(VALUES)
    assert len(shares) == bins
    assert shares.max() < 2 / bins + 0.02


def test_few_values_are_an_end_of_bins_each() -> None:
    assert knots(a_number(np.arange(1, 13).repeat(500))).tolist() == list(range(1, 13))


def test_ends_that_a_frequent_value_leaves_are_shared_out_among_the_others() -> None:
    mostly_0 = np.concatenate([np.zeros(18_000), VALUES[:2000]])

    ends = knots(a_number(mostly_0))

    assert len(ends) == 33
    assert np.quantile(VALUES[:2000], 0.5) < ends[20] < np.quantile(VALUES[:2000], 0.9)


def test_few_rows_have_few_bins() -> None:
    assert len(knots(a_number(VALUES[:1000]))) == 9


@pytest.mark.parametrize("bins", [0, 1])
def test_without_bins_there_is_one_end(bins: int) -> None:
    assert len(knots(a_number(bins=bins))) == 1


def test_bins_lie_within_the_clip() -> None:
    ends = knots(a_number(clip=(10, 30)))

    assert (ends[0], ends[-1]) == (10, 30)


def test_years_are_scaled_by_the_seconds_they_are_made_of() -> None:
    seconds = np.arange(np.datetime64("2010-01-01"), np.datetime64("2020-01-01")).astype("datetime64[s]")
    profile = a_number(seconds.astype(np.int64)).profile

    mean, stddev = mean_and_stddev(year_number(Moment("when", ("year",), profile)))

    assert mean == pytest.approx(2015, abs=0.01)
    assert stddev == pytest.approx(10 / np.sqrt(12), rel=0.01)
