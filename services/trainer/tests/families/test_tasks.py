"""Rules of every family and task: it beats the best constant, repeats, and answers alike in a graph."""

import math
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from learned_data import data_of, examples_of, label_column, split
from numpy.typing import NDArray

from tidemill_contracts.manifest import WEIGHT_COLUMN
from tidemill_contracts.profile import Feature
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import TrainingData
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.export.model import export
from tidemill_trainer.families import Trained, Watch, load_learner
from tidemill_trainer.servable import Servable

ROWS = 1200
FEATURES = (
    Feature(name="x", kind="numeric"),
    Feature(name="gaps", kind="numeric"),
    Feature(name="color", kind="categorical"),
)
FAMILIES: tuple[Family, ...] = ("linear", "boosted-trees", "random-forest", "deep")
TASKS = ("binary", "multiclass", "regression", "counts", "quantiles")
# Of the loss that decides for a task, and that of the constant.
LOSSES = {
    "binary": ("log_loss", "baseline_log_loss"),
    "multiclass": ("log_loss", "baseline_log_loss"),
    "regression": ("rmse", "baseline_rmse"),
    "counts": ("rmse", "baseline_rmse"),
    "quantiles": ("pinball_loss", "baseline_pinball_loss"),
}
QUICK: dict[Family, dict[str, int]] = {
    "boosted-trees": {"max_trees": 100},
    "random-forest": {"max_trees": 30},
    "deep": {"max_epochs": 12, "width": 32},
}
# Networks and linear models add up in another order for another number of rows.
TOLERANCE = 1e-5
# What two trainings of a network may differ by: threads add up in any order.
REPEATED_TOLERANCE = 1e-3


@cache
def data_for(task: str, **training: Any) -> TrainingData:
    """Rows whose label depends on all columns, and on chance."""
    rng = np.random.default_rng(4)
    x, gaps = rng.normal(size=ROWS), np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS))
    color = rng.integers(0, 3, ROWS)
    signal = 2 * np.abs(x) + np.nan_to_num(gaps, nan=-1.5) + 1.5 * color
    noisy = signal + rng.normal(size=ROWS)
    labels = {
        "binary": noisy > 3,
        "multiclass": np.array(["b few", "a some", "c many"])[np.digitize(noisy, [2, 4.5])],
        "counts": rng.poisson(np.exp(signal / 2)).astype(np.float64),
    }.get(task, 1000 + 50 * noisy)
    specs: dict[str, dict[str, Any]] = {
        "counts": {"loss": "poisson"},
        "quantiles": {"quantiles": (0.1, 0.5, 0.9)},
    }
    table = {"x": x, "gaps": gaps, "color": np.array(["red", "green", "blue"])[color]}
    return data_of(pa.table({**table, **label_column(labels)}), FEATURES, **specs.get(task, {}), **training)


def learned(family: Family, data: TrainingData) -> Trained:
    learner, (learn, check) = load_learner(family), split(examples_of(data))
    params = {**learner.defaults(learn), **QUICK.get(family, {})}
    return learner.fit(learn, check, params, 1, Watch(math.inf))


@cache
def trained(family: Family, task: str) -> Trained:
    return learned(family, data_for(task))


def supported(family: Family, task: str) -> bool:
    return load_learner(family).supports(data_for(task).objective) is None


CASES = [(family, task) for family in FAMILIES for task in TASKS if supported(family, task)]


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_task_is_learned_better_than_by_the_best_constant(family: Family, task: str) -> None:
    data = data_for(task)
    _, check = split(examples_of(data))
    objective = data.objective

    answers = trained(family, task).answer(check)

    scored = Scored(
        objective.task,
        check.labels,
        answers,
        classes=objective.classes,
        constant=objective.constant,
        quantiles=objective.quantiles,
    )
    loss, constant = (measure_scored(scored)[name] for name in LOSSES[task])
    assert loss < 0.8 * constant
    assert answers.shape == ((len(check), objective.width) if objective.width else (len(check),))


@pytest.mark.parametrize(("family", "task"), CASES)
def test_the_graph_answers_as_the_model_in_memory(family: Family, task: str, tmp_path: Path) -> None:
    model, columns = trained(family, task), data_for(task).held_out.columns()

    graph = tf.function(model.graph(tmp_path).__call__)
    in_graph = graph({name: tf.constant(values) for name, values in columns.items()}).numpy()

    in_memory = model.predict(columns)
    size = np.abs(in_memory).max()
    tolerance = 0 if family in ("boosted-trees", "random-forest") else TOLERANCE * size
    np.testing.assert_allclose(in_graph, in_memory, rtol=0, atol=tolerance)
    np.testing.assert_allclose(model.answer(examples_of(data_for(task))), in_memory, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("family", "task"), [case for case in CASES if case[0] != "deep" or case[1] == "multiclass"]
)
def test_the_same_rows_and_seed_give_the_same_model(family: Family, task: str) -> None:
    columns = data_for(task).held_out.columns()

    first, second = trained(family, task).predict(columns), learned(family, data_for(task)).predict(columns)

    tolerance = {"deep": REPEATED_TOLERANCE, "linear": TOLERANCE}.get(family, 0) * np.abs(first).max()
    np.testing.assert_allclose(first, second, rtol=0, atol=tolerance)


def test_forests_of_several_quantiles_are_served_each_by_itself(tmp_path: Path) -> None:
    model, data = trained("boosted-trees", "quantiles"), data_for("quantiles")
    export(model, data, tmp_path / "model")

    with closing(Servable(tmp_path / "model")) as servable:
        outputs = servable.outputs(data.held_out.columns())

    np.testing.assert_array_equal(outputs["quantiles"], model.predict(data.held_out.columns()))
    np.testing.assert_array_equal(outputs["value"], outputs["quantiles"][:, 1])


@pytest.mark.parametrize("family", ["linear", "boosted-trees", "deep"])
def test_quantiles_never_cross_and_split_the_rows(family: Family) -> None:
    data = data_for("quantiles")
    _, check = split(examples_of(data))

    answers = trained(family, "quantiles").answer(check)

    assert (np.diff(answers, axis=1) >= 0).all()
    below = (check.labels[:, None] <= answers).mean(axis=0)
    np.testing.assert_allclose(below, data.objective.quantiles, atol=0.15)


def test_what_a_family_cannot_learn_it_says_why() -> None:
    forest = load_learner("random-forest")

    assert "received quantiles" in str(forest.supports(data_for("quantiles").objective))
    assert "received poisson" in str(forest.supports(data_for("counts").objective))


def one_column(family: Family, values: Any, labels: NDArray[Any], **training: Any) -> NDArray[np.float32]:
    """Train on one category, and answer for "a" and "b"."""
    columns = {"x": np.array(values), **label_column(labels)}
    if (weights := training.pop("weights", None)) is not None:
        columns[WEIGHT_COLUMN] = weights
    data = data_of(pa.table(columns), [Feature(name="x", kind="categorical")], **training)
    return learned(family, data).predict({"x": np.array(["a", "b"], object)})


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_count_as_much_as_they_weigh(family: Family) -> None:
    values = ["a", "b"] * 400
    labels = np.arange(800) % 4 < 2
    weights = np.where(labels, 9.0, 1.0)

    plain, weighed = one_column(family, values, labels), one_column(family, values, labels, weights=weights)

    np.testing.assert_allclose(plain, 0.5, atol=0.1)
    np.testing.assert_allclose(weighed, 0.9, atol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_balanced_classes_are_alike_however_rare(family: Family) -> None:
    values = ["a", "b"] * 500
    labels = np.array(["rare" if row % 20 < 2 else "usual" for row in range(1000)])

    answers = one_column(family, values, labels, class_weights="balanced")

    np.testing.assert_allclose(answers, 0.5, atol=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_that_is_kept_aside_alone_has_next_to_no_chance(family: Family) -> None:
    names = np.array(["x", "y", "z"])[np.arange(600) % 3]
    columns = {"x": np.array(["a", "b"] * 300), **label_column(names)}
    examples = examples_of(data_of(pa.table(columns), [Feature(name="x", kind="categorical")]))
    learn = examples.take(np.flatnonzero(names != "y"))
    learner = load_learner(family)

    model = learner.fit(learn, examples, learner.defaults(learn), 1, Watch(math.inf))

    answers = model.predict({"x": np.array(["a"], object)})
    assert answers[0, 1] < 0.05
    np.testing.assert_allclose(answers[0, [0, 2]], 0.5, atol=0.1)


@pytest.mark.parametrize("family", ["boosted-trees", "random-forest", "linear", "deep"])
def test_time_that_is_over_ends_training_with_the_best_so_far(family: Family) -> None:
    learner, (learn, check) = load_learner(family), split(examples_of(data_for("regression")))

    begin = time.monotonic()
    model = learner.fit(learn, check, {**learner.defaults(learn), "max_epochs": 10_000}, 1, Watch(begin))

    assert time.monotonic() - begin < 60
    assert np.isfinite(model.answer(check)).all()
