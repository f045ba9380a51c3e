"""Rules of calibrated models: they are corrected where that helps, and serve what they answer in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from evaluation_samples import measure
from known_model import FORMULAS, known_data, known_model
from numpy.typing import NDArray

from tidemill_contracts.profile import Task
from tidemill_trainer.calibrated import Calibrated, Curve, find_correction
from tidemill_trainer.data import TrainingData
from tidemill_trainer.examination import examine
from tidemill_trainer.families import Trained
from tidemill_trainer.servable import Servable


def overconfident(data: TrainingData) -> Trained:
    """A model that takes the truth's formula, and is too sure."""
    formula = FORMULAS[data.objective.task]

    def sure(raw: Any) -> Any:
        chances = formula(raw)
        if data.objective.task == "binary":
            return tf.sigmoid(4 * (tf.math.log(chances) - tf.math.log1p(-chances)))
        return tf.nn.softmax(4 * tf.math.log(chances))

    return known_model(data, sure)


def labels_of(chances: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
    drawn = rng.random(len(chances))
    if chances.ndim == 1:
        return drawn < chances
    classes: NDArray[np.int64] = (chances.cumsum(axis=1) < drawn[:, None]).sum(axis=1)
    return classes.clip(0, 2).astype(np.int32)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_model_that_is_too_sure_is_corrected_and_serves_the_corrected_answers(
    task: Task, tmp_path: Path
) -> None:
    data = known_data(task, rows=4000)
    columns = data.held_out.columns()
    truth = known_model(data).predict(columns)
    model, labels = overconfident(data), labels_of(truth, np.random.default_rng(1))
    before = model.predict(columns)

    correction = find_correction(data.objective, before, labels)
    assert correction is not None
    better = Calibrated(model, correction)

    after = better.predict(columns)
    worse, improved = (measure(task, labels, answers)["log_loss"] for answers in (before, after))
    assert improved < worse - 0.05
    assert np.abs(after - truth).mean() < np.abs(before - truth).mean() / 2
    assert "calibration" in better.params
    contestant = examine(better, data, tmp_path / "model", seconds=1)
    assert contestant.result.defects == ()
    served = Servable(tmp_path / "model").predict(columns)
    # The logarithm and the exponential of a temperature are rounded by where in a batch a number is.
    np.testing.assert_allclose(served, after, rtol=0, atol=0 if task == "binary" else 1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_that_needs_no_correction_stays_as_it_is(task: Task) -> None:
    data = known_data(task, rows=2000)
    answers = known_model(data).predict(data.held_out.columns())
    labels = answers if task == "regression" else labels_of(answers, np.random.default_rng(2))

    assert find_correction(data.objective, answers, labels) is None


def test_a_curve_gives_the_same_bits_in_memory_and_in_a_graph() -> None:
    rng = np.random.default_rng(3)
    curve = Curve.of("isotonic", [0, *np.sort(rng.random(100)), 1], [0, *np.sort(rng.random(100)), 1])
    edges = [0, 1, np.nextafter(np.float32(1), np.float32(0)), np.nan]
    answers = np.concatenate([rng.random(9999), curve.x, edges]).astype(np.float32)

    in_memory = curve.in_memory(answers)

    np.testing.assert_array_equal(tf.function(curve.in_graph)(answers), in_memory)
    np.testing.assert_array_equal(np.isnan(in_memory), np.isnan(answers))
    assert [np.nanmin(in_memory), np.nanmax(in_memory)] == [0, 1]
    np.testing.assert_allclose(in_memory[:-1], np.interp(answers[:-1], curve.x, curve.y), atol=2e-6)
