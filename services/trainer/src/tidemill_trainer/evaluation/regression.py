"""Metrics of predicted numbers, for many weightings of the same rows at once."""

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.quantiles import quantile_shares
from tidemill_trainer.evaluation.ranking import weigh
from tidemill_trainer.evaluation.scored import FloatArray, Scored


class RegressionMetrics:
    """Metric by name of weights `[draws, rows]`, `[draws]` each; NaN where one is not defined."""

    def __init__(self, scored: Scored) -> None:
        labels: FloatArray = scored.truth
        # Around their mean, so that the spread is not the small difference of large sums.
        self._mean = float(labels.mean())
        self._constant = float(scored.by_constant().point[0]) if scored.constant else None
        self._centred = labels - self._mean
        self._losses = _losses(labels, scored.point) if scored.is_finite else {}
        self._by_error = np.argsort(np.abs(scored.point - labels)) if scored.is_finite else None
        self._shares = quantile_shares(scored) if scored.is_finite else {}

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        mean = weigh(weights, self._centred) / total
        spread = np.maximum(weigh(weights, self._centred**2) / total - mean**2, 0)
        off = 0 if self._constant is None else self._constant - self._mean - mean
        baseline = {"baseline_rmse": np.sqrt(spread + off**2)}
        if self._by_error is None:
            return baseline
        means = {name: weigh(weights, losses) / total for name, losses in self._losses.items()}
        squared_error = means.pop("mse")
        if "rmsle" in means:
            means["rmsle"] = np.sqrt(means["rmsle"])
        errors = self._losses["mae"][self._by_error]
        return {
            "rmse": np.sqrt(squared_error),
            "median_absolute_error": _weighted_median(errors, weights[:, self._by_error]),
            "r2": 1 - squared_error / np.where(spread > 0, spread, np.nan),
            **means,
            **{name: weigh(weights, share) / total for name, share in self._shares.items()},
            **baseline,
        }


def _losses(labels: FloatArray, predicted: FloatArray) -> dict[str, FloatArray]:
    """Return what each row adds to every metric that is a mean, and that is defined for these rows."""
    error = predicted - labels
    losses = {"mse": error**2, "mae": np.abs(error), "bias": error}
    if (labels != 0).all():
        losses["mape"] = np.abs(error / labels)
    if (labels >= 0).all() and (predicted >= 0).all():
        losses["rmsle"] = (np.log1p(predicted) - np.log1p(labels)) ** 2
    if (labels >= 0).all() and (labels == np.floor(labels)).all() and (predicted > 0).all():
        losses["mean_poisson_deviance"] = 2 * (
            special.xlogy(labels, labels) - special.xlogy(labels, predicted) + predicted - labels
        )
    return losses


def _weighted_median(rising: FloatArray, weights: FloatArray) -> FloatArray:
    reached = np.cumsum(weights, axis=1)
    half = reached[:, -1:] / 2
    below, upto = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
    median: FloatArray = (rising[below] + rising[np.minimum(upto, len(rising) - 1)]) / 2
    return median
