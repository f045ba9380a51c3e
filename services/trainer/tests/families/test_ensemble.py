"""Rules of ensembles: they are at least as good as their best member, and graph and memory agree."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from known_model import known_data, known_model
from numpy.typing import NDArray

from tidemill_contracts.profile import Task
from tidemill_trainer.families.ensemble import Ensemble, ensemble
from tidemill_trainer.objective import Objective

BINARY = Objective(task="binary", metric="log_loss")
LABELS = np.arange(400) % 2 == 0
NOISE = np.random.default_rng(0).normal(0, 0.25, (3, 400))


def mixed(answers: list[NDArray[Any]], objective: Objective, labels: NDArray[Any]) -> tuple[Ensemble, Any]:
    model = known_model(known_data())
    members = [(model, answer.astype(np.float32)) for answer in answers]
    return ensemble(members, labels, None, objective)


def test_members_that_err_differently_are_mixed() -> None:
    answers = [np.clip(np.where(LABELS, 0.7, 0.3) + noise, 0.01, 0.99) for noise in NOISE]

    model, answer = mixed(answers, BINARY, LABELS)

    def loss(answer: Any) -> float:
        return float(-np.log(np.where(LABELS, answer, 1 - answer)).mean())

    assert len(model.members) == 3
    assert sum(model.weights) == pytest.approx(1)
    assert loss(answer) < min(map(loss, answers)) - 0.02


def test_a_member_that_does_not_help_has_no_part() -> None:
    good, bad = np.where(LABELS, 0.9, 0.1), np.where(LABELS, 0.1, 0.9)

    model, answer = mixed([bad, good], BINARY, LABELS)

    assert model.weights == (1.0,)
    np.testing.assert_array_equal(answer, good.astype(np.float32))


@pytest.mark.parametrize(
    ("objective", "labels", "good", "bad"),
    [
        (
            Objective(task="multiclass", metric="log_loss", classes=("a", "b")),
            [0, 1],
            [[0.9, 0.1], [0.2, 0.8]],
            0.5,
        ),
        (Objective(task="regression", metric="rmse"), [1.0, 5.0], [1.0, 5.0], 3.0),
        (Objective(task="regression", metric="rmse", loss="poisson"), [1.0, 5.0], [1.0, 5.0], 3.0),
        (
            Objective(task="regression", metric="pinball_loss", quantiles=(0.1, 0.9)),
            [1.0, 5.0],
            [[1, 1], [5, 5]],
            3.0,
        ),
    ],
)
def test_the_better_member_wins_whatever_the_task(
    objective: Objective, labels: Any, good: Any, bad: float
) -> None:
    better = np.array(good)

    model, answer = mixed([np.full(better.shape, bad), better], objective, np.array(labels))

    assert model.weights[-1] > 0.5
    np.testing.assert_allclose(answer, better, atol=0.1 * better.max() if len(model.weights) > 1 else 0)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_graph_adds_up_as_the_model_in_memory(task: Task, tmp_path: Path) -> None:
    data = known_data(task)
    members = tuple(known_model(data) for _ in range(3))
    model = Ensemble(members, (0.5, 0.3, 0.2), {})
    columns = data.held_out.columns()

    graph = tf.function(model.graph(tmp_path).__call__)
    in_graph = graph({name: tf.constant(values) for name, values in columns.items()}).numpy()

    np.testing.assert_allclose(in_graph, model.predict(columns), rtol=1e-6)
