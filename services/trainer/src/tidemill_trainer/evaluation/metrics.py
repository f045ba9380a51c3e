"""The metrics of each task: their names, which way is better, and their values."""

from collections.abc import Callable, Mapping

import numpy as np

from tidemill_contracts.profile import Task
from tidemill_trainer.evaluation.binary import BinaryMetrics
from tidemill_trainer.evaluation.multiclass import MulticlassMetrics
from tidemill_trainer.evaluation.regression import RegressionMetrics
from tidemill_trainer.evaluation.scored import FloatArray, Scored

# From weights `[draws, rows]` to a metric's value for each of them, `[draws]`, NaN where it is not defined.
Weighted = Callable[[FloatArray], dict[str, FloatArray]]

METRICS: Mapping[Task, Callable[[Scored], Weighted]] = {
    "binary": BinaryMetrics,
    "multiclass": MulticlassMetrics,
    "regression": RegressionMetrics,
}
DECIDING_METRIC: Mapping[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}

# Metrics that describe the rows (base_rate) or have their best value in the middle (bias) are not in it.
HIGHER_IS_BETTER: Mapping[str, bool] = {
    "roc_auc": True,
    "pr_auc": True,
    "log_loss": False,
    "brier": False,
    "accuracy": True,
    "balanced_accuracy": True,
    "f1": True,
    "mcc": True,
    "calibration_error": False,
    "macro_f1": True,
    "roc_auc_ovr": True,
    "top_2_accuracy": True,
    "rmse": False,
    "mae": False,
    "median_absolute_error": False,
    "r2": True,
    "mape": False,
    "rmsle": False,
    "mean_poisson_deviance": False,
    "pinball_loss": False,
}


def sign_of(metric: str) -> int:
    """Return 1 for a metric of which more is better, else -1."""
    return 1 if HIGHER_IS_BETTER[metric] else -1


def limit_text(metric: str, limit: float) -> str:
    """Write the side of a limit on which values are good, as `>= 0.6`."""
    return f"{'>=' if HIGHER_IS_BETTER[metric] else '<='} {limit:.4g}"


def measure_scored(scored: Scored) -> dict[str, float]:
    """Measure rows that a model has answered.

    Returns:
        Metric by name, and `rows`. One that is not defined (roc_auc with one class, anything on NaN) is left
        out. Answers of yes or no are read off at a probability of 0.5.
    """
    values = weighted_metrics(METRICS[scored.task](scored), scored.row_weights[None])
    defined = {name: float(value[0]) for name, value in values.items() if np.isfinite(value[0])}
    return defined | {"rows": float(len(scored))}


def weighted_metrics(metrics: Weighted, weights: FloatArray) -> dict[str, FloatArray]:
    """Evaluate metrics for every weighting, `[draws]` each, where 0 / 0 is simply not defined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return metrics(weights)
