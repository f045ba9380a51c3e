"""What the tests of evaluation share: rows of models that are calibrated, too sure, or blurred."""

from typing import Any

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.profile import Task
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.evaluation.scored import FloatArray, Indices, Scored


def measure(task: Task, labels: Any, answers: Any, weights: Any = None, **facts: Any) -> dict[str, float]:
    """The metrics of answers to rows with these labels."""
    return measure_scored(Scored(task, labels, answers, weights, **facts))


def chances_and_labels(rows: int, seed: int, mean: float = 0.0) -> tuple[FloatArray, Any]:
    """True probabilities, and labels that came of them."""
    random = np.random.default_rng(seed)
    chances: FloatArray = special.expit(random.normal(mean, 1, rows))
    return chances, random.random(rows) < chances


def binary(rows: int, seed: int = 0, *, slope: float = 1.0, noise: float = 0.0, **facts: Any) -> Scored:
    """Rows of a binary task: a slope of 1 is calibrated, a larger one is too sure."""
    chances, labels = chances_and_labels(rows, seed, mean=-0.5)
    blur = np.random.default_rng([seed, 1]).normal(0, 1, rows)
    return Scored("binary", labels, special.expit(slope * special.logit(chances) + noise * blur), **facts)


def multiclass(rows: int, seed: int = 0, *, classes: int = 3, sharpness: float = 1.0, **facts: Any) -> Scored:
    """Rows of a multiclass task, labels as indices: a sharpness of 1 is calibrated."""
    random = np.random.default_rng(seed)
    chances = random.dirichlet(np.linspace(0.5, 2, classes), rows)
    labels: Indices = (chances.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1).clip(0, classes - 1)
    sharpened = special.softmax(sharpness * np.log(chances + 1e-9), axis=1)
    return Scored("multiclass", labels, sharpened, **facts)


def regression(rows: int, seed: int = 0, *, noise: float = 0.0, **facts: Any) -> Scored:
    """Rows of a regression task with counts as labels and positive answers."""
    random = np.random.default_rng(seed)
    means = random.gamma(3, 2, rows)
    labels = random.poisson(means).astype(np.float64)
    blur = np.random.default_rng([seed, 1]).normal(0, 1, rows)
    return Scored("regression", labels, means * np.exp(noise * blur), **facts)
