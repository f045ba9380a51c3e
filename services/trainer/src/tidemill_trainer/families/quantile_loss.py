"""What trees minimise to answer with a quantile: the pinball loss, smooth where it has its corner."""

from typing import Any

import numpy as np
import ydf
from numpy.typing import NDArray

# Width of the rounded corner, in spreads of the labels; and the least curvature, which keeps steps short.
SMOOTHING = 0.05
MIN_CURVATURE = 0.05


def quantile_loss(level: float, labels: NDArray[np.float32]) -> Any:
    """Return the loss of YDF whose best answer is the quantile of that level."""
    width = SMOOTHING * _spread(labels)

    # YDF keeps its arrays: nothing may hold on to what these are given.
    def initial(labels: NDArray[np.float32], weights: NDArray[np.float32]) -> np.float32:
        given = None if len(weights) != len(labels) else weights
        return np.float32(np.quantile(labels, level, weights=given, method="inverted_cdf"))

    def loss(
        labels: NDArray[np.float32], answers: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> np.float32:
        short = labels - answers
        losses = np.maximum(level * short, (level - 1) * short)
        return np.float32(np.average(losses, weights=None if len(weights) != len(labels) else weights))

    def slopes(
        labels: NDArray[np.float32], answers: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        above = 1 / (1 + np.exp(np.clip((labels - answers) / width, -30, 30)))
        curvature = np.maximum(above * (1 - above), MIN_CURVATURE) / width
        # YDF wants the second derivative with its sign turned.
        return (above - level).astype(np.float32), -curvature.astype(np.float32)

    return ydf.RegressionLoss(
        initial_predictions=initial,
        loss=loss,
        gradient_and_hessian=slopes,
        activation=ydf.Activation.IDENTITY,
    )


def _spread(labels: NDArray[np.float32]) -> float:
    low, high = np.quantile(labels, (0.1, 0.9))
    return float(high - low) / 2.56 or float(labels.std()) or 1.0
