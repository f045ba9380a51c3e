"""Metrics of P(true), for many weightings of the same rows at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.ranking import Ranking, average_precision, roc_auc, weigh
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray, Indices, Scored

THRESHOLD = 0.5
CALIBRATION_BINS = 10


class BinaryMetrics:
    """Metric by name of weights `[draws, rows]`, `[draws]` each; NaN where one is not defined."""

    def __init__(self, scored: Scored) -> None:
        self._labels = scored.truth
        self._constant = scored.constant
        self._ranking = Ranking(scored.answers, scored.truth) if scored.is_finite else None
        if self._ranking is not None:
            scores = self._ranking.scores
            chance = np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
            self._surprises = -np.log(chance), -np.log1p(-chance)
            self._positive_steps = int(np.sum(scores >= THRESHOLD))
            self._bin_starts = self._ranking.bin_starts(CALIBRATION_BINS)

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        values = label_metrics(self._labels, weights, self._constant)
        if self._ranking is None:
            return values
        scores = self._ranking.scores
        true, false = self._ranking.counts(weights)
        total = (true + false).sum(axis=1)
        log_loss = weigh(true, self._surprises[0]) + weigh(false, self._surprises[1])
        return {
            "roc_auc": roc_auc(true, false),
            "pr_auc": average_precision(true, false),
            "log_loss": log_loss / total,
            "brier": (weigh(true, (1 - scores) ** 2) + weigh(false, scores**2)) / total,
            **confusion_metrics(true, false, self._positive_steps),
            "calibration_error": calibration_error(scores, true, false, self._bin_starts),
            **values,
        }


def label_metrics(
    labels: NDArray[np.bool_], weights: FloatArray, constant: Sequence[float]
) -> dict[str, FloatArray]:
    """Return what depends on the labels alone, and what a model that reads nothing would reach."""
    rate = weigh(weights, labels) / weights.sum(axis=1)
    chance = np.clip(constant[0] if constant else rate, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    baseline = -special.xlogy(rate, chance) - special.xlog1py(1 - rate, -chance)
    return {"base_rate": rate, "baseline_log_loss": baseline}


def confusion_metrics(true: FloatArray, false: FloatArray, positive_steps: int) -> dict[str, FloatArray]:
    """Return the metrics of yes-or-no answers, when the first steps of a ranking are answered yes."""
    hits, false_alarms = (counts[:, :positive_steps].sum(axis=1) for counts in (true, false))
    misses, rejections = true.sum(axis=1) - hits, false.sum(axis=1) - false_alarms
    total = hits + false_alarms + misses + rejections
    spread = (hits + false_alarms) * (hits + misses) * (rejections + false_alarms) * (rejections + misses)
    return {
        "accuracy": (hits + rejections) / total,
        "balanced_accuracy": (hits / (hits + misses) + rejections / (rejections + false_alarms)) / 2,
        "f1": 2 * hits / (2 * hits + false_alarms + misses),
        "mcc": (hits * rejections - false_alarms * misses) / np.sqrt(spread),
    }


def calibration_error(
    scores: FloatArray, true: FloatArray, false: FloatArray, bin_starts: Indices
) -> FloatArray:
    """Return the mean gap between what was promised and what was seen, over bins of rows, `[draws]`."""
    total = true + false
    gaps = np.abs(np.add.reduceat(total * scores - true, bin_starts, axis=1))
    error: FloatArray = gaps.sum(axis=1) / total.sum(axis=1)
    return error
