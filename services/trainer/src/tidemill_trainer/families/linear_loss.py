"""What a linear model minimises, with its slopes, in NumPy; `heads.py` has the same in TensorFlow."""

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.families.head import Head

Floats = NDArray[np.float64]
# Width of the rounded corner of the pinball loss, in units of the head's scale.
SMOOTHING = 0.02


def loss_and_slopes(head: Head, labels: Floats, outputs: Floats) -> tuple[Floats, Floats]:
    """Return what every row adds to the loss, `[rows]`, and its slope by every output, `[rows, outputs]`.

    Args:
        head: The end of the model.
        labels: As `Examples` has them, `[rows]`.
        outputs: What the head makes answers of, `[rows, outputs]`.
    """
    objective = head.objective
    if objective.task == "binary":
        logits = outputs[:, 0]
        return np.logaddexp(0, logits) - labels * logits, (special.expit(logits) - labels)[:, None]
    if objective.task == "multiclass":
        rows, classes = np.arange(len(labels)), labels.astype(np.int64)
        slopes = special.softmax(outputs, axis=1)
        slopes[rows, classes] -= 1
        return special.logsumexp(outputs, axis=1) - outputs[rows, classes], slopes
    if objective.loss == "poisson":
        logarithms = np.minimum(outputs[:, 0], head.greatest)
        rates = np.exp(logarithms)
        return rates - labels * logarithms, (rates - labels)[:, None]
    off = outputs - ((labels - head.center) / head.scale)[:, None]
    if not objective.quantiles:
        return off[:, 0] ** 2, 2 * off
    levels = np.array(objective.quantiles)
    losses = SMOOTHING * np.logaddexp(0, off / SMOOTHING) - levels * off
    return losses.mean(axis=1), (special.expit(off / SMOOTHING) - levels) / len(levels)
