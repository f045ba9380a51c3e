"""Rules of explanations by sampling: they add up, they repeat, and they are near to Shapley's values."""

from collections.abc import Callable, Mapping
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_trainer.data import Columns
from tidemill_trainer.explain.sampling import Sampling, walked_rows
from tidemill_trainer.objective import Objective

NAMES = ("a", "b", "c", "d", "e")
BINARY = Objective(task="binary", metric="roc_auc")


def together(raw: Mapping[str, Any]) -> Any:
    """Features add up, multiply, and one of them, `e`, does nothing."""
    return tf.sigmoid(raw["a"] + 2 * raw["b"] * raw["c"] + tf.cast(raw["d"] == "yes", tf.float32))


def some_rows(rows: int, seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(0, 1, rows).astype(np.float32) for name in NAMES}
    return {**numbers, "d": rng.choice(np.array(["yes", "no", ""], object), rows)}


def as_tensors(columns: Columns) -> Mapping[str, Any]:
    return {name: tf.constant(values) for name, values in columns.items()}


def explained(rows: Columns, background: Columns, **parts: Any) -> tuple[NDArray[Any], ...]:
    sampling = Sampling(parts.pop("answer", together), parts.pop("objective", BINARY), background, seed=1)
    return tuple(values.numpy() for values in tf.function(sampling)(as_tensors(rows)))


def shapley(answer: Callable[[Mapping[str, Any]], Any], row: Columns, background: Columns) -> NDArray[Any]:
    """Compute Shapley's values of one row by their definition, over all sets of features."""

    def value(known: tuple[str, ...]) -> float:
        count = len(background["a"])
        mixed = {name: np.repeat(row[name], count) if name in known else background[name] for name in NAMES}
        return float(np.mean(answer(as_tensors(mixed)).numpy()))

    def attribution(name: str) -> float:
        others = [other for other in NAMES if other != name]
        return sum(
            (value((*known, name)) - value(known)) / (len(NAMES) * comb(len(others), size))
            for size in range(len(NAMES))
            for known in combinations(others, size)
        )

    return np.array([attribution(name) for name in NAMES])


def test_attributions_add_up_to_what_the_answer_differs_from_the_mean_of_the_background() -> None:
    rows, background = some_rows(7, seed=1), some_rows(8, seed=2)

    attributions, baseline, answer, _ = explained(rows, background)

    np.testing.assert_allclose(answer, together(as_tensors(rows)), rtol=1e-6)
    np.testing.assert_allclose(baseline, np.mean(together(as_tensors(background))), rtol=1e-6)
    np.testing.assert_allclose(attributions.sum(axis=1) + baseline, answer, rtol=0, atol=1e-6)


def test_a_feature_that_is_not_read_gets_nothing_and_alike_ones_get_alike() -> None:
    background = {name: np.zeros(4, np.float32) for name in NAMES} | {"d": np.array([""] * 4, object)}
    row = {name: np.ones(1, np.float32) for name in NAMES} | {"d": np.array(["no"], object)}

    ((a, b, c, d, e),), *_ = explained(row, background)

    assert (d, e) == (0, 0)
    assert b == pytest.approx(c, rel=1e-6)
    assert a > 0


def test_sampled_values_are_near_to_those_by_definition() -> None:
    rows, background = some_rows(5, seed=3), some_rows(32, seed=4)

    attributions, *_ = explained(rows, background)

    exact = [
        shapley(together, {name: values[row : row + 1] for name, values in rows.items()}, background)
        for row in range(5)
    ]
    np.testing.assert_allclose(attributions, exact, rtol=0, atol=0.03)


def test_a_row_is_explained_alike_alone_and_among_others() -> None:
    rows, background = some_rows(6, seed=5), some_rows(4, seed=6)
    alone = {name: values[2:3] for name, values in rows.items()}

    np.testing.assert_array_equal(explained(rows, background)[0][2:3], explained(alone, background)[0])


def test_of_several_classes_the_likeliest_is_explained() -> None:
    objective = Objective(task="multiclass", metric="log_loss", classes=("no", "yes"))
    rows, background = some_rows(20, seed=7), some_rows(4, seed=8)

    def answer(raw: Mapping[str, Any]) -> Any:
        return tf.stack([1 - together(raw), together(raw)], axis=1)

    attributions, baseline, answers, chosen = explained(rows, background, answer=answer, objective=objective)

    probabilities = answer(as_tensors(rows)).numpy()
    np.testing.assert_array_equal(chosen, probabilities.argmax(axis=1))
    np.testing.assert_allclose(answers, probabilities.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(attributions.sum(axis=1) + baseline, answers, rtol=0, atol=1e-6)


def test_of_several_quantiles_the_middle_one_is_explained() -> None:
    objective = Objective(task="regression", metric="pinball_loss", quantiles=(0.1, 0.5, 0.9))

    def answer(raw: Mapping[str, Any]) -> Any:
        return tf.stack([raw["a"] - 1, raw["a"], raw["a"] + 1], axis=1)

    rows = some_rows(3, seed=9)
    _, _, answers, chosen = explained(rows, some_rows(4, seed=10), answer=answer, objective=objective)

    assert chosen.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(answers, rows["a"])


def test_one_feature_alone_gets_everything() -> None:
    rows, background = {"a": np.array([3.0], np.float32)}, {"a": np.array([1.0, 2.0], np.float32)}

    attributions, baseline, answer, _ = explained(rows, background, answer=lambda raw: raw["a"])

    assert (attributions.tolist(), baseline.tolist(), answer.tolist()) == ([[1.5]], [1.5], [3])


@pytest.mark.parametrize(("features", "rows"), [(1, 32), (14, 32), (40, 13), (1000, 4)])
def test_many_features_are_walked_to_from_fewer_rows(features: int, rows: int) -> None:
    assert walked_rows(features) == rows
