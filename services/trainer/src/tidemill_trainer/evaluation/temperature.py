"""One number that makes the probabilities of several classes come true: the temperature of their logits."""

import numpy as np
from scipy import optimize, special  # type: ignore[import-untyped]

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.calibration import FOLDS, SIGNIFICANCE, assign_folds, p_value_of_gain
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray, Indices, Scored

# Probabilities that are looked at: one number needs no more.
MAX_CELLS = 500_000
MAX_TEMPERATURE = 20.0


class Temperature(ProfileModel):
    """Probabilities `[rows, classes]` become softmax(log(probabilities) / temperature).

    The log losses are of rows that it was not fitted to, `p_value` is of their paired test.
    """

    temperature: float
    log_loss_before: float
    log_loss_after: float
    p_value: float

    def apply(self, chances: FloatArray) -> FloatArray:
        """Return calibrated probabilities `[rows, classes]`."""
        scaled: FloatArray = special.softmax(_logs(chances) / self.temperature, axis=1)
        return scaled


def calibrate_classes(scored: Scored, *, seed: int = 0) -> Temperature | None:
    """Find the temperature with the lowest log loss; None when it does not help significantly.

    Args:
        scored: Rows of a multiclass task with finite answers, of which the model has learned none. Rows of a
            group share a fold.
        seed: Of the division into folds, and of the rows that are looked at.
    """
    drawn = np.random.default_rng(seed).permutation(len(scored))
    known = drawn[scored.truth[drawn] >= 0][: MAX_CELLS // scored.predictions.shape[1]]
    if not len(known):
        return None
    rows = scored.take(known)
    logs, folds = _logs(rows.answers), assign_folds(rows, seed)
    before, after = _losses(logs, rows.truth, 1.0), np.empty(len(rows))
    for fold in range(FOLDS):
        here = folds == fold
        if here.all():
            return None
        after[here] = _losses(logs[here], rows.truth[here], _fit(logs[~here], rows.take(~here)))
    p_value = p_value_of_gain(before - after, rows)
    if p_value >= SIGNIFICANCE:
        return None
    return Temperature(
        temperature=_fit(logs, rows),
        log_loss_before=float(np.average(before, weights=rows.row_weights)),
        log_loss_after=float(np.average(after, weights=rows.row_weights)),
        p_value=p_value,
    )


def _fit(logs: FloatArray, rows: Scored) -> float:
    bound = np.log(MAX_TEMPERATURE)
    found = optimize.minimize_scalar(
        lambda log: float(rows.row_weights @ _losses(logs, rows.truth, np.exp(log))),
        bounds=(-bound, bound),
        method="bounded",
    )
    return float(np.exp(found.x))


def _losses(logs: FloatArray, truth: Indices, temperature: float) -> FloatArray:
    scaled = logs / temperature
    losses: FloatArray = special.logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]
    return losses


def _logs(chances: FloatArray) -> FloatArray:
    return np.log(np.clip(chances, SMALLEST_PROBABILITY, 1))
