"""How good predictions are: metrics of a binary classifier on rows it has not seen."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 10
# Below this, a float32 probability cannot be told from zero.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)


def metrics(
    labels: NDArray[np.bool_], probabilities: NDArray[np.floating], base_rate: float
) -> dict[str, float]:
    """Measure predictions.

    Args:
        labels: What was true, `[rows]`.
        probabilities: The predicted chance of true, `[rows]`.
        base_rate: Share of true in training: what the constant model, the baseline, always predicts.

    Returns:
        Metric by name. One that is not defined (roc_auc with one class, anything on NaN) is left out.
    """
    predicted = probabilities.astype(np.float64)
    values = {
        "roc_auc": roc_auc(labels, predicted),
        "log_loss": log_loss(labels, predicted),
        "accuracy": float(np.mean((predicted >= 0.5) == labels)) if np.isfinite(predicted).all() else np.nan,
        "calibration_error": calibration_error(labels, predicted),
        "base_rate": float(np.mean(labels)),
        "baseline_log_loss": log_loss(labels, np.full(len(labels), base_rate)),
        "rows": float(len(labels)),
    }
    return {name: value for name, value in values.items() if np.isfinite(value)}


def roc_auc(labels: NDArray[np.bool_], predicted: NDArray[np.float64]) -> float:
    """Return the chance that a true row scores above a false one, ties counting half; NaN with one class."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives or not np.isfinite(predicted).all():
        return float("nan")
    _, place, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    average_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(average_rank[place][labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(labels: NDArray[np.bool_], predicted: NDArray[np.float64]) -> float:
    """Return the mean negative log likelihood, in nats."""
    clipped = np.clip(predicted, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.log(np.where(labels, clipped, 1 - clipped))))


def calibration_error(labels: NDArray[np.bool_], predicted: NDArray[np.float64]) -> float:
    """Return the expected calibration error: the mean gap between predicted and observed, over equal bins."""
    if not np.isfinite(predicted).all():
        return float("nan")
    bins = np.minimum((predicted * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.abs(np.bincount(bins, predicted - labels, minlength=CALIBRATION_BINS))
    return cast("float", gaps.sum()) / len(labels)
