"""Rules of comparing two models: alarms are as rare as stated, and a better model is found."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_samples import binary, multiclass, regression
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.comparison import Comparison, compare
from tidemill_trainer.evaluation.intervals import Resampling
from tidemill_trainer.evaluation.losses import LOSSES
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER, measure_scored
from tidemill_trainer.evaluation.scored import FloatArray, Indices, Scored

SAMPLES = {"binary": binary, "multiclass": multiclass, "regression": regression}
FEW = Resampling(resamples=100)


def blurred(scored: Scored, amount: float, seed: int) -> Scored:
    """Make a model worse by noise of its own."""
    noise = np.random.default_rng([seed, 2]).normal(0, amount, scored.predictions.shape)
    answers = scored.predictions * np.exp(noise)
    if scored.task == "multiclass":
        answers /= answers.sum(axis=1, keepdims=True)
    return replace(scored, predictions=np.minimum(answers, 1) if scored.task == "binary" else answers)


def compared(candidate: Scored, champion: Scored, metric: str, how: Resampling = FEW) -> Comparison:
    comparison = compare(candidate, champion, metric, how)
    assert comparison is not None
    return comparison


def delong_by_pairs(one: Scored, other: Scored) -> tuple[float, float]:
    """The difference of two areas and its variance as DeLong and others write them, pair by pair."""

    def places(scored: Scored) -> tuple[FloatArray, FloatArray]:
        true, false = scored.answers[scored.truth], scored.answers[~scored.truth]
        wins = (true[:, None] > false) + (true[:, None] == false) / 2
        return wins.mean(axis=1), wins.mean(axis=0)

    (true_one, false_one), (true_other, false_other) = places(one), places(other)
    variance = np.var(true_one - true_other, ddof=1) / len(true_one)
    variance += np.var(false_one - false_other, ddof=1) / len(false_one)
    return float(true_one.mean() - true_other.mean()), float(variance)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(20, 200), steps=st.sampled_from([5, 100, 10_000]))
def test_areas_are_compared_by_delongs_test(seed: int, rows: int, steps: int) -> None:
    champion = binary(rows, seed)
    candidate = blurred(champion, 0.5, seed)
    champion, candidate = (
        replace(scored, predictions=np.round(scored.predictions * steps)) for scored in (champion, candidate)
    )

    comparison = compared(candidate, champion, "roc_auc")

    difference, variance = delong_by_pairs(candidate, champion)
    assert comparison.method == "delong"
    assert comparison.gain.value == pytest.approx(difference, abs=1e-9)
    assert comparison.gain.standard_error == pytest.approx(np.sqrt(variance), abs=1e-9)


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", "log_loss"), ("multiclass", "log_loss"), ("regression", "mae")]
)
def test_means_over_rows_are_compared_by_the_paired_t_test(task: str, metric: str) -> None:
    champion = SAMPLES[task](300)
    candidate = blurred(champion, 0.3, 0)

    comparison = compared(candidate, champion, metric)

    losses = [LOSSES[scored.task][metric](scored) for scored in (champion, candidate)]
    expected = stats.ttest_rel(*losses)
    low, high = expected.confidence_interval()
    assert comparison.method == "paired-t"
    assert comparison.p_value == pytest.approx(expected.pvalue)
    assert (comparison.gain.low, comparison.gain.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("task", "metric", "studies"),
    [
        ("binary", "roc_auc", 1000),
        ("binary", "log_loss", 1000),
        ("regression", "rmse", 1000),
        ("multiclass", "accuracy", 1000),
        ("binary", "pr_auc", 200),
    ],
)
def test_one_comparison_in_twenty_of_equal_models_is_a_false_alarm(
    task: str, metric: str, studies: int
) -> None:
    def p_value(study: int) -> float:
        rows = SAMPLES[task](300, study)
        return compared(blurred(rows, 0.3, study), blurred(rows, 0.3, study + studies), metric).p_value

    alarms = np.mean([p_value(study) < 0.05 for study in range(studies)])

    assert alarms == pytest.approx(0.05, abs=0.02 if studies == 1000 else 0.03)


def test_groups_are_taken_together() -> None:
    days = np.repeat(np.arange(30), 20)

    def p_value(study: int, groups: Indices | None) -> float:
        # Days on which one model or the other has bad luck with all rows.
        rows = regression(600, study, groups=groups)
        luck = np.random.default_rng(study).normal(size=(2, 30)).repeat(20, axis=1)
        one, other = (replace(rows, predictions=rows.labels + day) for day in luck)
        return compared(one, other, "mae").p_value

    alone, together = (
        np.mean([p_value(study, groups) < 0.05 for study in range(300)]) for groups in (None, days)
    )

    assert alone > 0.3
    assert together == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("task", SAMPLES)
def test_a_better_model_is_found_by_every_metric(task: str) -> None:
    champion = blurred(SAMPLES[task](4000), 1.0, 0)
    candidate = SAMPLES[task](4000)
    metrics = HIGHER_IS_BETTER.keys() & measure_scored(candidate).keys()

    gains = {metric: compared(candidate, champion, metric) for metric in metrics}

    assert {metric for metric, comparison in gains.items() if comparison.gain.low <= 0} == set()
    assert max(comparison.p_value for comparison in gains.values()) < 0.05


def test_a_model_is_no_better_than_itself() -> None:
    rows = binary(200)

    for metric in ("roc_auc", "log_loss", "f1"):
        comparison = compared(rows, rows, metric)
        assert (comparison.gain.value, comparison.gain.low, comparison.gain.high) == (0, 0, 0)
        assert comparison.p_value == 1


def test_swapping_the_models_turns_the_gain_around() -> None:
    champion = binary(300)
    candidate = blurred(champion, 0.5, 0)

    for metric in ("roc_auc", "log_loss"):
        there, back = compared(candidate, champion, metric), compared(champion, candidate, metric)
        assert there.gain.value == pytest.approx(-back.gain.value)
        assert there.gain.low == pytest.approx(-back.gain.high)
        assert there.p_value == pytest.approx(back.p_value)


def test_what_is_not_defined_is_not_compared() -> None:
    one_class = Scored("binary", np.array([True, True]), np.array([0.5, 0.7]))
    not_a_number = Scored("binary", np.array([True, False]), np.array([0.5, np.nan]))
    one_group = replace(binary(10), groups=np.zeros(10))

    assert compare(one_class, one_class, "roc_auc") is None
    assert compare(not_a_number, not_a_number, "log_loss") is None
    assert compare(one_group, one_group, "log_loss") is None


def test_models_on_different_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected two models on the same rows"):
        compare(binary(100), binary(100, seed=1), "roc_auc")
