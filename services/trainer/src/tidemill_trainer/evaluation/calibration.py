"""Corrections that make probabilities come true, made where they help on rows they were not fitted to."""

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.calibrators import CALIBRATORS, Bins, Method, fit
from tidemill_trainer.evaluation.influence import against_zero, mean_influence
from tidemill_trainer.evaluation.losses import log_losses
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray, Indices, Scored

FOLDS = 5
BINS = 256
SIGNIFICANCE = 0.05


class Calibration(ProfileModel):
    """A map of P(true), linear between the knots from (0, 0) to (1, 1).

    `x` rises and `y` never falls. The log losses are of rows that the map was not fitted to, `p_value` is of
    their paired test.
    """

    method: Method
    x: tuple[float, ...]
    y: tuple[float, ...]
    log_loss_before: float
    log_loss_after: float
    p_value: float

    def apply(self, chances: FloatArray) -> FloatArray:
        """Return calibrated probabilities, in the shape of the given ones."""
        mapped: FloatArray = np.interp(chances, self.x, self.y)
        return mapped


def calibrate(scored: Scored, *, seed: int = 0) -> Calibration | None:
    """Choose the map with the lowest cross-validated log loss; None when none helps significantly.

    Args:
        scored: Rows of a binary task with finite answers, of which the model has learned none. Rows of a
            group share a fold.
        seed: Of the division into folds.
    """
    folds = assign_folds(scored, seed)
    edges = np.unique(np.quantile(scored.answers, np.arange(1, BINS) / BINS))
    counts = _counts(scored, folds, np.searchsorted(edges, scored.answers, "right"))
    before = log_losses(scored.truth, scored.answers)
    best, gain = None, np.zeros(len(scored))
    for method in CALIBRATORS:
        after = _losses_out_of_fold(method, scored, counts, folds)
        if after is not None and scored.row_weights @ (before - after) > scored.row_weights @ gain:
            best, gain = method, before - after
    p_value = p_value_of_gain(gain, scored)
    knots = fit(best, _bins(counts.sum(axis=0))) if best and p_value < SIGNIFICANCE else None
    if best is None or knots is None:
        return None
    return Calibration(
        method=best,
        x=tuple(knots.x.tolist()),
        y=tuple(knots.y.tolist()),
        log_loss_before=float(np.average(before, weights=scored.row_weights)),
        log_loss_after=float(np.average(before - gain, weights=scored.row_weights)),
        p_value=p_value,
    )


def assign_folds(scored: Scored, seed: int) -> Indices:
    """Return the fold of each row, `[rows]`; rows of a group share one."""
    units = int(scored.units.max()) + 1
    folds: Indices = np.random.default_rng(seed).permutation(units) % FOLDS
    return folds[scored.units]


def p_value_of_gain(gain: FloatArray, scored: Scored) -> float:
    """Return the one-sided p-value of the mean of gains, `[rows]`, being above zero."""
    mean = mean_influence(gain, scored.row_weights)
    tested = against_zero(mean.value, mean.rows, scored, confidence=0.95)
    return tested[1] / 2 if tested and mean.value > 0 else 1.0


def _counts(scored: Scored, folds: Indices, codes: Indices) -> FloatArray:
    """Return the weight of true and false rows, and the sum of their logits, `[folds, bins, 3]`."""
    logits = special.logit(np.clip(scored.answers, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    weights, place = scored.row_weights, folds * BINS + codes
    values = (weights * scored.truth, weights * ~scored.truth, weights * logits)
    sums = [np.bincount(place, value, FOLDS * BINS).reshape(FOLDS, BINS) for value in values]
    return np.stack(sums, axis=-1)


def _bins(counts: FloatArray) -> Bins:
    true, false, logits = counts[counts[:, :2].sum(axis=1) > 0].T
    return Bins(logits / (true + false), true, false)


def _losses_out_of_fold(
    method: Method, scored: Scored, counts: FloatArray, folds: Indices
) -> FloatArray | None:
    """Return the loss of each row under the map of the other folds; None when one of them has no map."""
    chances = np.empty(len(scored))
    for fold in range(FOLDS):
        others = np.arange(FOLDS) != fold
        knots = fit(method, _bins(counts[others].sum(axis=0)))
        if knots is None:
            return None
        here = folds == fold
        chances[here] = np.interp(scored.answers[here], knots.x, knots.y)
    return log_losses(scored.truth, chances)
