"""Rules of Welch's test over many slices: it is the one in the books."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.welch import Sums, contrast, false_discovery


def test_slices_are_held_against_all_other_rows() -> None:
    random = np.random.default_rng(0)
    codes, losses = random.integers(0, 4, 500), random.exponential(size=500) - 1
    sums = Sums.by_code(codes, losses, 4)

    tested = contrast(sums, sums.total(), min_rows=2)

    for code in range(4):
        inside, outside = losses[codes == code], losses[codes != code]
        expected = stats.ttest_ind(inside, outside, equal_var=False, alternative="greater")
        spread = np.sqrt((inside.var(ddof=1) + outside.var(ddof=1)) / 2)
        assert tested.t[code] == pytest.approx(expected.statistic)
        assert tested.p_value[code] == pytest.approx(expected.pvalue)
        assert tested.effect[code] == pytest.approx((inside.mean() - outside.mean()) / spread)


def test_slices_with_too_few_rows_inside_or_outside_are_not_tested() -> None:
    sums = Sums.by_code(np.repeat([0, 1], [5, 95]), np.random.default_rng(0).random(100), 2)

    tested = contrast(sums, sums.total(), min_rows=10)

    assert np.isneginf(tested.t).all()
    assert np.isneginf(tested.effect).all()


def test_combinations_are_sums_over_the_parts_that_fulfil_them() -> None:
    sums = Sums.by_code(np.arange(6), np.arange(6.0), 6)
    either, second_or_third = np.ones((1, 2)), np.array([[0.0, 1.0, 1.0]])

    combined = sums.combined(either, second_or_third)

    assert combined.rows == np.array([[4]])
    assert combined.loss == np.array([[1 + 2 + 4 + 5]])


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_p_values_are_corrected_as_scipy_does(p_values: list[float]) -> None:
    values = np.array(p_values)

    assert false_discovery(values, len(values)) == pytest.approx(stats.false_discovery_control(values))
