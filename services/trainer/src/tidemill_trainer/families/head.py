"""The end of a model: how its last outputs become answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.families import Examples
from tidemill_trainer.objective import Objective

SMALLEST_SHARE = 1e-6
# A rate is not answered beyond the greatest count that was seen, times this.
GREATEST_RATE = 10.0


@dataclass(frozen=True)
class Head:
    """Outputs `[rows, outputs]` are logits, logarithms of rates, or numbers less `center` in `scale`s.

    With `initial` as its outputs, a network answers the constant.
    """

    objective: Objective
    initial: tuple[float, ...]
    center: float = 0.0
    scale: float = 1.0
    greatest: float = np.inf


def make_head(learn: Examples) -> Head:
    """Decide the end of a network from the rows it learns from."""
    objective, labels, weights = learn.objective, learn.labels, learn.weights
    if objective.task == "binary":
        return Head(
            objective, _logarithms([1 - _mean(labels, weights), _mean(labels, weights)], less_first=True)
        )
    if objective.task == "multiclass":
        counts = np.bincount(labels, weights, minlength=len(objective.classes))
        return Head(objective, _logarithms(counts / counts.sum()))
    if objective.loss == "poisson":
        greatest = float(np.log(GREATEST_RATE * max(float(labels.max()), 1.0)))
        return Head(objective, _logarithms([_mean(labels, weights)]), greatest=greatest)
    center = _mean(labels, weights)
    scale = float(np.sqrt(_mean((labels - center) ** 2, weights))) or 1.0
    if not objective.quantiles:
        return Head(objective, (0.0,), center, scale)
    values = np.quantile(labels, objective.quantiles, weights=weights, method="inverted_cdf")
    return Head(objective, tuple(((values - center) / scale).tolist()), center, scale)


def _mean(values: NDArray[Any], weights: NDArray[np.float32] | None) -> float:
    return float(np.average(values.astype(np.float64), weights=weights))


def _logarithms(
    values: Sequence[float] | NDArray[np.float64], *, less_first: bool = False
) -> tuple[float, ...]:
    logarithms = np.log(np.maximum(values, SMALLEST_SHARE))
    return tuple((logarithms[1:] - logarithms[0] if less_first else logarithms).tolist())
