"""Rows in the order of their scores, and the metrics that depend on nothing but that order.

Weights come as `[draws, rows]`: a resample is nothing but other weights, so what is exact for one is exact,
and fast, for hundreds of them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.evaluation.scored import FloatArray, Indices

SMALLEST_WEIGHT = float(np.finfo(np.float64).tiny)


class Ranking:
    """Rows by falling score; rows of equal scores are one step. `scores` are the steps', `[steps]`."""

    def __init__(self, scores: FloatArray, is_true: NDArray[np.bool_]) -> None:
        order = np.argsort(scores)[::-1]
        falling = scores[order]
        self._starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
        self._order = order.astype(np.int32)
        self._is_true = is_true[order]
        self.scores = falling[self._starts]

    def counts(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the weight of true and of false rows in each step, `[draws, steps]`."""
        ordered = weights[:, self._order]
        true = ordered * self._is_true
        if len(self._starts) == len(self._order):
            return true, ordered - true
        total: FloatArray = np.add.reduceat(ordered, self._starts, axis=1)
        true = np.add.reduceat(true, self._starts, axis=1)
        return true, total - true

    def bin_starts(self, bins: int) -> Indices:
        """Return the first step of each of at most `bins` bins of about equally many rows."""
        ends = np.append(self._starts[1:], len(self._order))
        middles = (self._starts + ends) / 2
        return np.unique((middles * bins / len(self._order)).astype(np.int64), return_index=True)[1]


def roc_auc(true: FloatArray, false: FloatArray) -> FloatArray:
    """Return the chance that a true row scores above a false one, ties counting half, `[draws]`."""
    above = np.cumsum(true, axis=1) - true / 2
    pairs = np.einsum("ij,ij->i", false, above)
    area: FloatArray = pairs / (true.sum(axis=1) * false.sum(axis=1))
    return area


def average_precision(true: FloatArray, false: FloatArray) -> FloatArray:
    """Return the area under the precision-recall curve, read off in steps, `[draws]`."""
    found = np.cumsum(true, axis=1)
    seen = np.cumsum(true + false, axis=1)
    area: FloatArray = np.einsum("ij,ij->i", true, found / np.maximum(seen, SMALLEST_WEIGHT))
    return area / found[:, -1]


def weigh(weights: FloatArray, values: NDArray[Any]) -> FloatArray:
    """Return the sum of values, `[rows]`, under every weighting, `[draws]`."""
    # Not a product of matrices: for so few rows, the threads of a BLAS cost more than they bring.
    total: FloatArray = np.einsum("ij,j->i", weights, values.astype(np.float64, copy=False))
    return total
