"""Exact tails of counts, held against scipy."""

import math

import pytest
from scipy import stats  # type: ignore[import-untyped]

from tidemill_serving.tails import at_least, more_often


@pytest.mark.parametrize(
    ("hits", "tries", "other_hits", "other_tries"),
    [
        (1, 1, 0, 19),
        (3, 10, 2, 190),
        (10, 10, 0, 10),
        (40, 200, 60, 9000),
        (700, 1000, 3000, 9000),
        (5, 5, 5, 5),
    ],
)
def test_more_often_is_fishers_exact_test(hits: int, tries: int, other_hits: int, other_tries: int) -> None:
    table = [[hits, tries - hits], [other_hits, other_tries - other_hits]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    expected = 1.0 if hits * other_tries <= other_hits * tries else expected

    assert more_often(hits, tries, other_hits, other_tries) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("hits", "tries", "share"), [(1, 1, 0.5), (20, 20, 0.05), (60, 100, 0.5), (5200, 10_000, 0.4)]
)
def test_at_least_is_the_tail_of_the_binomial(hits: int, tries: int, share: float) -> None:
    expected = stats.binom.sf(hits - 1, tries, share)

    assert at_least(hits, tries, share) == pytest.approx(expected, rel=1e-6)


def test_what_is_not_more_than_expected_has_probability_one() -> None:
    assert more_often(0, 0, 0, 0) == more_often(0, 10, 3, 10) == more_often(1, 10, 1, 10) == 1.0
    assert at_least(0, 0, 0.0) == at_least(5, 10, 0.5) == at_least(10, 10, 1.0) == 1.0


def test_millions_of_requests_are_no_matter() -> None:
    probability = more_often(50_500, 1_000_000, 950_000, 19_000_000)
    expected = stats.hypergeom.sf(50_499, 20_000_000, 1_000_500, 1_000_000)

    assert probability == pytest.approx(expected, rel=1e-4)
    assert math.isfinite(more_often(900_000, 1_000_000, 10, 19_000_000))
