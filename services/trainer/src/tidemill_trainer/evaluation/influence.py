"""How much every row moves a metric: what its standard error, and the test of a difference, follow from.

To first order a metric is its true value plus the sum of the rows' influences, so two metrics of the same
rows are compared by the differences of their influences, summed within groups. For roc_auc this is DeLong's
test (1988; from ranks as Sun and Xu 2014, in groups as Obuchowski 1997), for means the paired t-test.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.losses import LOSSES
from tidemill_trainer.evaluation.metrics import DECIDING_METRIC
from tidemill_trainer.evaluation.scored import FloatArray, Scored


@dataclass(frozen=True)
class Influence:
    """A metric's value, and how much each row moved it, `[rows]`; these sum to about zero."""

    value: float
    rows: FloatArray


def influence(scored: Scored, metric: str) -> Influence | None:
    """Return a metric and every row's influence on it.

    None when it is not defined for these rows, or is none of roc_auc of two classes, rmse, and the means over
    rows (see LOSSES).
    """
    if not scored.is_finite:
        return None
    if scored.task == "binary" and metric == "roc_auc":
        return _roc_auc(scored)
    losses = LOSSES[scored.task]
    if scored.task == "regression" and metric == "rmse":
        square = mean_influence(losses["mse"](scored), scored.row_weights)
        root = float(np.sqrt(square.value))
        return Influence(root, square.rows / (2 * root) if root > 0 else square.rows)
    if metric not in losses or (metric == "pinball_loss" and not scored.quantiles):
        return None
    return mean_influence(losses[metric](scored), scored.row_weights)


def measurable(scored: Scored, metric: str) -> str | None:
    """Return the metric, or else the usual one of the task, that rows have an influence on; None: neither."""
    candidates = (metric, DECIDING_METRIC[scored.task])
    return next((each for each in candidates if influence(scored, each) is not None), None)


def mean_influence(values: FloatArray, weights: FloatArray) -> Influence:
    """Return the weighted mean of values, `[rows]`, and every row's influence on it."""
    mean = float(np.average(values, weights=weights))
    correction = np.sqrt(len(values) / max(len(values) - 1, 1))
    return Influence(mean, weights * (values - mean) * (correction / weights.sum()))


def against_zero(
    value: float, rows: FloatArray, scored: Scored, confidence: float
) -> tuple[Estimate, float] | None:
    """Hold a number against zero.

    Args:
        value: The number.
        rows: Each row's influence on it, `[rows]`.
        scored: The rows, for which of them belong together.
        confidence: Of the interval.

    Returns:
        The number with its interval, and the two-sided p-value; None when all rows belong together.
    """
    sums = np.bincount(scored.units, rows)
    freedom = len(sums) - 1
    if not freedom:
        return None
    correction = 1 if scored.groups is None else len(sums) / freedom
    error = float(np.sqrt(np.sum(sums**2) * correction))
    margin = error * float(special.stdtrit(freedom, (1 + confidence) / 2))
    p_value = 2 * float(special.stdtr(freedom, -abs(value) / error)) if error else float(value == 0)
    return Estimate(value=value, low=value - margin, high=value + margin, standard_error=error), p_value


def _roc_auc(scored: Scored) -> Influence | None:
    """Place every row among the rows of the other class: the mean place of either is the area."""
    is_true: NDArray[np.bool_] = scored.truth
    weights = scored.row_weights
    if not weights[is_true].any() or not weights[~is_true].any():
        return None
    _, step = np.unique(scored.answers, return_inverse=True)
    true, false = np.bincount(step, weights * is_true), np.bincount(step, weights * ~is_true)
    below = (np.cumsum(false) - false / 2) / false.sum()
    above = 1 - (np.cumsum(true) - true / 2) / true.sum()
    of_true = mean_influence(below[step[is_true]], weights[is_true])
    rows = np.empty(len(scored))
    rows[is_true] = of_true.rows
    rows[~is_true] = mean_influence(above[step[~is_true]], weights[~is_true]).rows
    return Influence(of_true.value, rows)
