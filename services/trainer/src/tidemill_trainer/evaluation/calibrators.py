"""Maps from what a model promises to what comes true, fitted to bins: monotone, piecewise linear.

A map is its knots, so any graph that can interpolate can apply it. It moves probabilities, and never reverses
their order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray

Method = Literal["platt", "beta", "isotonic"]

# Where the smooth maps are read off, in logits: beyond them a float32 cannot follow.
GRID = 129
MAX_LOGIT = 12.0
# Keeps the fit finite when the labels can be told apart; too weak to be seen otherwise.
WEAKLY_REGULARISED = 1e4


@dataclass(frozen=True)
class Bins:
    """Rows of similar probability: its mean logit, and the weight of true and false rows, `[bins]`."""

    logits: FloatArray
    true: FloatArray
    false: FloatArray


@dataclass(frozen=True)
class Knots:
    """A map from x, rising from 0 to 1, to y, from 0 to 1 and never falling."""

    x: FloatArray
    y: FloatArray


def fit_platt(bins: Bins) -> Knots | None:
    """Fit a straight line to the logits; None when it falls."""
    return _fit_logistic(bins, lambda logits: logits[:, None])


def fit_beta(bins: Bins) -> Knots | None:
    """Fit a beta map (Kull and others 2017), whose slope may differ at either end; None when both fall."""
    return _fit_logistic(
        bins, lambda logits: np.stack([special.log_expit(logits), -special.log_expit(-logits)], axis=1)
    )


def fit_isotonic(bins: Bins) -> Knots | None:
    """Fit any rising map: pooled bins are its knots (centred isotonic regression, Oron and Flournoy 2017)."""
    weight = bins.true + bins.false
    blocks = optimize.isotonic_regression(bins.true / weight, weights=weight).blocks[:-1]
    true, total = np.add.reduceat(bins.true, blocks), np.add.reduceat(weight, blocks)
    # One more row at the base rate in each: no pool is sure. Small ones may then fall behind.
    y = np.maximum.accumulate((true + true.sum() / total.sum()) / (total + 1))
    return _knots(np.add.reduceat(special.expit(bins.logits) * weight, blocks) / total, y)


def fit(method: Method, bins: Bins) -> Knots | None:
    """Fit a map; None when only one class is there to learn from, or when the map would fall."""
    return CALIBRATORS[method](bins) if bins.true.any() and bins.false.any() else None


CALIBRATORS: Mapping[Method, Callable[[Bins], Knots | None]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def _fit_logistic(bins: Bins, features: Callable[[FloatArray], FloatArray]) -> Knots | None:
    inputs = np.tile(features(bins.logits), (2, 1))
    labels = np.repeat([True, False], len(bins.logits))
    used = np.arange(inputs.shape[1])
    while len(used):
        model = LogisticRegression(C=WEAKLY_REGULARISED, solver="newton-cholesky")
        model.fit(inputs[:, used], labels, np.concatenate([bins.true, bins.false]))
        slopes: FloatArray = model.coef_[0]
        if (slopes > 0).all():
            logits = np.linspace(-MAX_LOGIT, MAX_LOGIT, GRID)
            y = special.expit(features(logits)[:, used] @ slopes + model.intercept_[0])
            return _knots(special.expit(logits), y)
        used = used[slopes > 0]
    return None


def _knots(x: FloatArray, y: FloatArray) -> Knots:
    """Join the ends, and leave out knots that a float32 cannot tell from the one before."""
    kept, first = np.unique(np.concatenate([[0], x, [1]]).astype(np.float32), return_index=True)
    inner = np.clip(y, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return Knots(kept.astype(np.float64), np.concatenate([[0], inner, [1]])[first])
