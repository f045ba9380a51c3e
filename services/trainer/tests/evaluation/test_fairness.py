"""Rules of fairness: rates and gaps are those one would count, and small groups are named, not measured."""

import numpy as np
import pytest
from evaluation_samples import binary, regression

from tidemill_trainer.evaluation.fairness import Fairness, measure_fairness
from tidemill_trainer.evaluation.intervals import Resampling
from tidemill_trainer.evaluation.scored import Scored

FEW = Resampling(resamples=100)
SEX = {"sex": np.array(["f"] * 400 + ["m"] * 600 + ["x"] * 30, object)}


def by_counts(
    selected_and_true: dict[str, tuple[int, int, int, int]],
) -> tuple[Scored, dict[str, np.ndarray]]:
    """Rows by group: hits, misses, false alarms, right rejections."""
    answers, labels, groups = [], [], []
    for group, (hits, misses, alarms, rejections) in selected_and_true.items():
        answers += [0.9] * hits + [0.1] * misses + [0.9] * alarms + [0.1] * rejections
        labels += [True] * (hits + misses) + [False] * (alarms + rejections)
        groups += [group] * (hits + misses + alarms + rejections)
    return Scored("binary", np.array(labels), np.array(answers)), {"sex": np.array(groups, object)}


def measured(scored: Scored, columns: dict[str, np.ndarray]) -> Fairness:
    return measure_fairness(scored, columns, ("sex",), how=FEW)


def test_rates_and_gaps_are_those_one_would_count() -> None:
    scored, columns = by_counts({"f": (30, 20, 10, 140), "m": (80, 20, 40, 160)})

    fairness = measured(scored, columns)

    by_condition = {group.condition: group for group in fairness.groups}
    women, men = by_condition["sex = f"], by_condition["sex = m"]
    assert (women.rows, men.rows) == (200, 300)
    assert {name: rate.value for name, rate in women.rates.items()} == pytest.approx(
        {
            "base_rate": 50 / 200,
            "selection_rate": 40 / 200,
            "true_positive_rate": 30 / 50,
            "false_positive_rate": 10 / 150,
            "precision": 30 / 40,
            "calibration": (0.9 * 40 + 0.1 * 160) / 200 - 50 / 200,
        }
    )
    assert {name: gap.value for name, gap in fairness.gaps.items()} == pytest.approx(
        {
            "demographic_parity_difference": 120 / 300 - 40 / 200,
            "demographic_parity_ratio": (40 / 200) / (120 / 300),
            "equal_opportunity_difference": 0.8 - 0.6,
            "false_positive_rate_difference": 0.2 - 10 / 150,
            "equalized_odds_difference": 0.8 - 0.6,
            "predictive_parity_difference": 30 / 40 - 80 / 120,
            "calibration_difference": abs(0.01 - (0.9 * 120 + 0.1 * 180) / 300 + 100 / 300),
        }
    )
    assert fairness.four_fifths is False


def test_intervals_of_gaps_tell_a_difference_from_chance() -> None:
    unfair = by_counts({"f": (30, 20, 10, 140), "m": (80, 20, 40, 160)})
    fair = by_counts({"f": (40, 10, 20, 130), "m": (61, 14, 31, 194)})

    gaps = [measured(*rows).gaps["demographic_parity_ratio"] for rows in (unfair, fair)]

    assert gaps[0].high < 0.8
    assert gaps[1].low < 1 <= gaps[1].high + 0.05


def test_groups_that_are_too_small_are_named_and_make_no_gaps() -> None:
    with_few = measured(binary(1030), SEX)
    without = measured(binary(1030).take(np.arange(1000)), {"sex": SEX["sex"][:1000]})

    assert with_few.unmeasured == (("sex = x", 30),)
    assert with_few.gaps["demographic_parity_difference"] == without.gaps["demographic_parity_difference"]


def test_a_rate_of_few_rows_is_left_out() -> None:
    scored, columns = by_counts({"f": (5, 5, 10, 180), "m": (80, 20, 40, 160)})

    fairness = measured(scored, columns)

    assert not {"true_positive_rate", "precision"} & fairness.groups[1].rates.keys()
    assert not {"equal_opportunity_difference", "equalized_odds_difference"} & fairness.gaps.keys()
    assert "false_positive_rate_difference" in fairness.gaps


def test_one_group_alone_has_no_gaps() -> None:
    fairness = measured(binary(500), {"sex": np.array(["f"] * 500, object)})

    assert len(fairness.groups) == 1
    assert fairness.gaps == {}
    assert fairness.four_fifths is None


def test_the_threshold_decides_who_is_selected() -> None:
    scored = binary(1030)

    never = measure_fairness(scored, SEX, ("sex",), threshold=1.1, how=FEW)
    always = measure_fairness(scored, SEX, ("sex",), threshold=0.0, how=FEW)

    assert [group.rates["selection_rate"].value for group in never.groups] == [0, 0]
    assert [group.rates["selection_rate"].value for group in always.groups] == [1, 1]
    assert never.four_fifths is None
    assert always.four_fifths is True


def test_numbers_are_not_selected() -> None:
    with pytest.raises(ValueError, match="expected a binary task"):
        measure_fairness(regression(1030), SEX, ("sex",))
