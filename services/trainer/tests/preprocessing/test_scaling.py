"""Rules of scaling: scores around 0 whatever the options, and bins that share the rows out."""

from typing import Any

import numpy as np
import pytest

from tidemill_contracts.profile import FeatureOptions, NumericProfile
from tidemill_trainer.preprocessing.plan import Moment, Number
from tidemill_trainer.preprocessing.scaling import bin_edges, mean_and_stddev, year_number

VALUES = np.random.default_rng(0).lognormal(3, 1, 10_000)


def a_number(values: Any = VALUES, **options: Any) -> Number:
    profile = NumericProfile(
        minimum=np.min(values),
        maximum=np.max(values),
        mean=np.mean(values),
        stddev=np.std(values),
        quantiles=tuple(np.quantile(values, np.linspace(0, 1, 101), method="inverted_cdf")),
    )
    return Number("x", FeatureOptions(**options), profile, gaps=False)


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
    assert len(bin_edges(Number("x", FeatureOptions(), None, gaps=True))) == 0


@pytest.mark.parametrize("bins", [2, 5, 32])
def test_bins_share_the_rows_out_evenly(bins: int) -> None:
    edges = bin_edges(a_number(bins=bins))

    shares = np.bincount(np.searchsorted(edges, VALUES, side="right"), minlength=bins) / len(VALUES)
    assert len(shares) == bins
    assert shares.max() < 2 / bins + 0.02


def test_few_values_have_a_bin_each() -> None:
    edges = bin_edges(a_number(np.arange(1, 13).repeat(50)))

    assert np.searchsorted(edges, np.arange(1, 13), side="right").tolist() == list(range(12))


@pytest.mark.parametrize("bins", [0, 1])
def test_without_bins_there_are_no_edges(bins: int) -> None:
    assert len(bin_edges(a_number(bins=bins))) == 0


def test_edges_lie_within_the_clip() -> None:
    edges = bin_edges(a_number(clip=(10, 30)))

    assert (edges.min() > 10, edges.max()) == (True, 30)


def test_years_are_scaled_by_the_seconds_they_are_made_of() -> None:
    seconds = np.arange(np.datetime64("2010-01-01"), np.datetime64("2020-01-01")).astype("datetime64[s]")
    profile = a_number(seconds.astype(np.int64)).profile

    mean, stddev = mean_and_stddev(year_number(Moment("when", ("year",), profile)))

    assert mean == pytest.approx(2015, abs=0.01)
    assert stddev == pytest.approx(10 / np.sqrt(12), rel=0.01)
