"""Rules of metrics: they are the ones the world computes, and say nothing where there is nothing to say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluation_samples import binary, measure, multiclass, regression
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.metrics import (
    DECIDING_METRIC,
    HIGHER_IS_BETTER,
    measure_scored,
)
from tidemill_trainer.evaluation.scored import FloatArray, Scored

WEIGHTS = np.random.default_rng(1).random(3000)
TASKS = {"binary": binary, "multiclass": multiclass, "regression": regression}


def coarse(scored: Scored, steps: int) -> Scored:
    """Round the answers, so that many are equal."""
    return replace(scored, predictions=np.round(scored.predictions * steps) / steps)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("steps", [4, 10_000], ids=["many ties", "few ties"])
def test_binary_metrics_agree_with_scikit_learn(steps: int, weights: FloatArray | None) -> None:
    scored = coarse(binary(3000), steps)
    scored = replace(scored, predictions=scored.predictions.astype(np.float32))
    labels, chances, answers = scored.labels, scored.predictions, scored.predictions >= 0.5

    measured = measure("binary", labels, chances, weights)

    facts = {"sample_weight": weights}
    assert measured == pytest.approx(
        {
            "roc_auc": reference.roc_auc_score(labels, chances, **facts),
            "pr_auc": reference.average_precision_score(labels, chances, **facts),
            "log_loss": reference.log_loss(labels, chances, **facts),
            "brier": reference.brier_score_loss(labels, chances, **facts),
            "accuracy": reference.accuracy_score(labels, answers, **facts),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, answers, **facts),
            "f1": reference.f1_score(labels, answers, **facts),
            "mcc": reference.matthews_corrcoef(labels, answers, **facts),
            "calibration_error": measured["calibration_error"],
            "base_rate": np.average(labels, weights=weights),
            "baseline_log_loss": reference.log_loss(
                labels, np.full(3000, np.average(labels, weights=weights)), **facts
            ),
            "rows": 3000,
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_multiclass_metrics_agree_with_scikit_learn(weights: FloatArray | None) -> None:
    scored = multiclass(3000)
    labels, chances, answers = scored.labels, scored.predictions, scored.predictions.argmax(axis=1)

    measured = measure("multiclass", labels, chances, weights)

    facts = {"sample_weight": weights}
    rates = np.array([np.average(labels == index, weights=weights) for index in range(3)])
    areas = [reference.roc_auc_score(labels == index, chances[:, index], **facts) for index in range(3)]
    assert measured == pytest.approx(
        {
            "log_loss": reference.log_loss(labels, chances, **facts),
            "accuracy": reference.accuracy_score(labels, answers, **facts),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, answers, **facts),
            "macro_f1": reference.f1_score(labels, answers, average="macro", **facts),
            "roc_auc_ovr": np.mean(areas),
            "top_2_accuracy": reference.top_k_accuracy_score(labels, chances, k=2, **facts),
            "calibration_error": measured["calibration_error"],
            "baseline_log_loss": -np.sum(rates * np.log(rates)),
            "rows": 3000,
        },
        rel=1e-6,
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_regression_metrics_agree_with_scikit_learn(weights: FloatArray | None) -> None:
    scored = regression(3000, noise=0.3)
    labels, answers = scored.labels + 1, scored.predictions

    measured = measure("regression", labels, answers, weights)

    facts = {"sample_weight": weights}
    mean = np.average(labels, weights=weights)
    assert measured == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(labels, answers, **facts),
            "mae": reference.mean_absolute_error(labels, answers, **facts),
            "median_absolute_error": measured["median_absolute_error"],
            "r2": reference.r2_score(labels, answers, **facts),
            "mape": reference.mean_absolute_percentage_error(labels, answers, **facts),
            "rmsle": reference.root_mean_squared_log_error(labels, answers, **facts),
            "mean_poisson_deviance": reference.mean_poisson_deviance(labels, answers, **facts),
            "bias": np.average(answers - labels, weights=weights),
            "baseline_rmse": reference.root_mean_squared_error(labels, np.full(3000, mean), **facts),
            "rows": 3000,
        },
        rel=1e-9,
    )
    # Between which two rows the median lies under weights is a matter of convention.
    assert measured["median_absolute_error"] == pytest.approx(
        reference.median_absolute_error(labels, answers, **facts), rel=1e-9 if weights is None else 1e-3
    )


def test_quantiles_are_held_against_the_pinball_loss_and_what_they_promise_to_cover() -> None:
    labels = np.random.default_rng(0).exponential(size=1000)
    answers = np.tile([0.1, 0.8, 2.3], (1000, 1))

    measured = measure_scored(
        Scored("regression", labels, answers, quantiles=(0.1, 0.6, 0.9), constant=(0.2, 0.5, 2.0))
    )

    losses = [
        reference.mean_pinball_loss(labels, answers[:, place], alpha=level)
        for place, level in enumerate((0.1, 0.6, 0.9))
    ]
    assert measured["pinball_loss"] == pytest.approx(np.mean(losses))
    assert measured["below_0.1"] == pytest.approx(np.mean(labels <= 0.1))
    assert measured["coverage_0.1_0.9"] == pytest.approx(np.mean((labels >= 0.1) & (labels <= 2.3)))
    assert measured["mae"] == pytest.approx(np.mean(np.abs(labels - 0.8)))
    assert measured["baseline_rmse"] == pytest.approx(np.sqrt(np.mean((labels - 0.5) ** 2)))


def test_a_constant_answers_all_rows_alike() -> None:
    labels = np.array([1.0, 2.0, 4.0])
    numbers = Scored("regression", labels, labels, constant=(2.0,))
    quantiles = Scored("regression", labels, np.ones((3, 2)), quantiles=(0.25, 0.75), constant=(1.5, 3.0))

    assert numbers.by_constant().answers.tolist() == [2.0, 2.0, 2.0]
    assert measure_scored(quantiles.by_constant())["pinball_loss"] == pytest.approx(
        measure_scored(quantiles)["baseline_pinball_loss"]
    )


@settings(max_examples=60, deadline=None)
@given(task=st.sampled_from(list(TASKS)), rows=st.integers(2, 30), steps=st.integers(1, 20), data=st.data())
def test_a_row_of_weight_three_is_three_rows(task: str, rows: int, steps: int, data: st.DataObject) -> None:
    scored = coarse(TASKS[task](rows), steps)
    times = data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows).filter(any))

    weighted = measure_scored(replace(scored, weights=np.array(times)))
    repeated = measure_scored(scored.take(np.repeat(np.arange(rows), times)))

    # Bins, and what is defined, follow from the rows, not from their weights.
    common = (weighted.keys() & repeated.keys()) - {"rows", "calibration_error", "mape"}
    assert {name: weighted[name] for name in common} == pytest.approx(
        {name: repeated[name] for name in common}, abs=1e-9
    )


def test_calibration_error_is_the_gap_between_promised_and_seen() -> None:
    labels = np.array([True, False, False, False, True, True, True, True])
    chances = np.array([0.45] * 4 + [1.0] * 4, np.float32)

    assert measure("binary", labels, chances)["calibration_error"] == pytest.approx(0.2 / 2)


def test_what_is_not_defined_is_left_out() -> None:
    one_class = measure("binary", np.array([True, True]), np.array([0.5, 0.7], np.float32))
    not_a_number = measure("binary", np.array([True, False]), np.array([0.5, np.nan], np.float32))
    zeros = measure("regression", np.array([0.0, 0.0]), np.array([-1.0, 1.0]))

    assert not {"roc_auc", "balanced_accuracy", "mcc"} & one_class.keys()
    assert not_a_number.keys() == {"base_rate", "baseline_log_loss", "rows"}
    assert not {"mape", "rmsle", "mean_poisson_deviance", "r2"} & zeros.keys()


def test_a_text_that_is_no_class_was_given_no_chance() -> None:
    chances = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05]])
    labels = np.array(["a", "b", "new"], object)

    measured = measure("multiclass", labels, chances, classes=("a", "b", "c"))

    assert measured["accuracy"] == pytest.approx(2 / 3)
    assert measured["log_loss"] == pytest.approx(-(np.log(0.9) + np.log(0.7) + np.log(2**-23)) / 3)


def test_the_baseline_is_the_constant_that_training_would_answer() -> None:
    labels, chances = np.array([True, False]), np.array([0.5, 0.5])
    numbers = np.array([1.0, 3.0])

    chance = measure("binary", labels, chances, constant=(0.25,))
    number = measure("regression", numbers, numbers, constant=(4.0,))
    classes = measure("multiclass", np.array([0, 1]), np.full((2, 2), 0.5), constant=(0.75, 0.25))

    expected = -(np.log(0.25) + np.log(0.75)) / 2
    assert chance["baseline_log_loss"] == pytest.approx(expected)
    assert classes["baseline_log_loss"] == pytest.approx(expected)
    assert number["baseline_rmse"] == pytest.approx(np.sqrt((9 + 1) / 2))


@pytest.mark.parametrize("task", TASKS)
def test_a_better_model_has_better_metrics(task: str) -> None:
    good = {"binary": binary(5000), "multiclass": multiclass(5000), "regression": regression(5000)}[task]
    shuffled = np.random.default_rng(0).permutation(good.predictions)

    better, worse = measure_scored(good), measure_scored(replace(good, predictions=shuffled))

    directed = better.keys() & HIGHER_IS_BETTER.keys()
    assert DECIDING_METRIC[good.task] in directed
    assert {name: better[name] > worse[name] for name in directed} == {
        name: HIGHER_IS_BETTER[name] for name in directed
    }


@pytest.mark.parametrize(
    "facts",
    [
        {"predictions": np.ones(2)},
        {"predictions": np.ones((3, 2))},
        {"weights": np.ones(2)},
        {"weights": np.zeros(3)},
        {"weights": np.array([1, -1, 1])},
        {"weights": np.array([1, np.nan, 1])},
        {"labels": np.array([], np.bool_), "predictions": np.array([])},
        {"quantiles": (0.1, 0.9)},
    ],
    ids=[
        "too few",
        "too wide",
        "too few weights",
        "no weight",
        "negative",
        "not a number",
        "no rows",
        "no quantiles",
    ],
)
def test_parts_that_do_not_fit_together_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(Scored("binary", np.array([True, False, True]), np.ones(3)), **facts)
