"""Metrics of a probability per class, for many weightings of the same rows at once."""

import warnings

import numpy as np

from tidemill_trainer.evaluation.binary import CALIBRATION_BINS, calibration_error
from tidemill_trainer.evaluation.ranking import Ranking, roc_auc, weigh
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray, Indices, Scored


class MulticlassMetrics:
    """Metric by name of weights `[draws, rows]`, `[draws]` each; NaN where one is not defined."""

    def __init__(self, scored: Scored) -> None:
        self._truth: Indices = scored.truth
        self._constant = np.array(scored.constant)
        self._width = scored.predictions.shape[1]
        self._is_finite = scored.is_finite
        if scored.is_finite:
            self._prepare(scored.answers)

    def _prepare(self, chances: FloatArray) -> None:
        self._guess: Indices = chances.argmax(axis=1)
        self._correct = self._guess == self._truth
        self._top = Ranking(chances.max(axis=1), self._correct)
        self._rankings = [Ranking(chances[:, k], self._truth == k) for k in range(self._width)]
        given = chance_of_truth(chances, self._truth)
        better = (chances > given[:, None]).sum(axis=1)
        self._losses = -np.log(given)
        self._is_near = better < 2

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        values = {"baseline_log_loss": self._baseline(weights)}
        if not self._is_finite:
            return values
        top_2 = weigh(weights, self._is_near) / total
        areas = np.stack([roc_auc(*ranking.counts(weights)) for ranking in self._rankings])
        return {
            "log_loss": weigh(weights, self._losses) / total,
            "accuracy": weigh(weights, self._correct) / total,
            **self._per_class(weights),
            "roc_auc_ovr": _mean_of_defined(areas),
            "top_2_accuracy": top_2 if self._width > 2 else np.full_like(top_2, np.nan),
            "calibration_error": calibration_error(
                self._top.scores, *self._top.counts(weights), self._top.bin_starts(CALIBRATION_BINS)
            ),
            **values,
        }

    def _baseline(self, weights: FloatArray) -> FloatArray:
        rates = _per_code(self._truth, weights, self._width) / weights.sum(axis=1)
        chances = self._constant[:, None] if len(self._constant) else rates
        clipped = np.clip(chances, SMALLEST_PROBABILITY, 1)
        unknown = 1 - rates.sum(axis=0)
        known = (rates * np.log(clipped)).sum(axis=0)
        loss: FloatArray = -known - unknown * np.log(SMALLEST_PROBABILITY)
        return loss

    def _per_class(self, weights: FloatArray) -> dict[str, FloatArray]:
        hits = _per_code(np.where(self._correct, self._truth, -1), weights, self._width)
        actual = _per_code(self._truth, weights, self._width)
        guessed = _per_code(self._guess, weights, self._width)
        return {
            "balanced_accuracy": _mean_of_defined(hits / actual),
            "macro_f1": _mean_of_defined(2 * hits / (actual + guessed)),
        }


def chance_of_truth(chances: FloatArray, truth: Indices) -> FloatArray:
    """Return the probability that each row's true class was given, `[rows]`; never quite zero."""
    given = np.where(truth >= 0, chances[np.arange(len(truth)), truth], 0)
    return np.clip(given, SMALLEST_PROBABILITY, 1)


def _per_code(codes: Indices, weights: FloatArray, width: int) -> FloatArray:
    """Sum the weights by code, `[codes, draws]`; rows with the code -1 are left out."""
    sums = [np.bincount(codes + 1, weighting, minlength=width + 1)[1:] for weighting in weights]
    return np.stack(sums, axis=1)


def _mean_of_defined(values: FloatArray) -> FloatArray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        mean: FloatArray = np.nanmean(values, axis=0)
    return mean
