"""Whether the rows of a slice have larger losses than all others: Welch's test, for many slices at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.scored import FloatArray, Indices


@dataclass(frozen=True)
class Sums:
    """Rows, sum and sum of squares of a loss whose mean is about zero, for slices of one shape."""

    rows: FloatArray
    loss: FloatArray
    square: FloatArray

    @classmethod
    def by_code(cls, codes: Indices, losses: FloatArray, width: int) -> "Sums":
        """Sum up rows by their code."""
        values = (None, losses, losses**2)
        return cls(*(np.bincount(codes, value, width).astype(np.float64) for value in values))

    def combined(self, first: FloatArray, second: FloatArray) -> "Sums":
        """Add up codes that stand for two parts each.

        Which parts make a condition is `[conditions, parts]`; the result is `[conditions of the first,
        conditions of the second]`.
        """
        table = np.stack([self.rows, self.loss, self.square])
        return Sums(*(first @ table.reshape(3, first.shape[1], second.shape[1]) @ second.T))

    def total(self) -> "Sums":
        """Add up everything."""
        return Sums(*(np.array([values.sum()]) for values in (self.rows, self.loss, self.square)))


@dataclass(frozen=True)
class Contrast:
    """Slices against all other rows: difference of means in standard deviations, t, degrees of freedom."""

    effect: FloatArray
    t: FloatArray
    freedom: FloatArray

    @property
    def p_value(self) -> FloatArray:
        """The chance of so much larger losses when slice and rest are alike."""
        p_value: FloatArray = special.stdtr(self.freedom, -self.t)
        return p_value


def contrast(inside: Sums, all_rows: Sums, min_rows: float) -> Contrast:
    """Hold slices against the rest; where either has too few rows, the effect and t are minus infinity."""
    outside = Sums(all_rows.rows - inside.rows, all_rows.loss - inside.loss, all_rows.square - inside.square)
    is_enough = (inside.rows >= min_rows) & (outside.rows >= min_rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        (mean, variance), (mean_outside, variance_outside) = _moments(inside), _moments(outside)
        error, error_outside = variance / inside.rows, variance_outside / outside.rows
        effect = (mean - mean_outside) / np.sqrt((variance + variance_outside) / 2)
        t = (mean - mean_outside) / np.sqrt(error + error_outside)
        freedom = (error + error_outside) ** 2 / (
            error**2 / (inside.rows - 1) + error_outside**2 / (outside.rows - 1)
        )
    worst = -np.inf
    return Contrast(
        np.where(is_enough, np.nan_to_num(effect, nan=worst), worst),
        np.where(is_enough, np.nan_to_num(t, nan=worst), worst),
        np.where(is_enough & np.isfinite(freedom), freedom, 1.0),
    )


def false_discovery(p_values: FloatArray, tests: int) -> FloatArray:
    """Correct p-values for the number of tests that they are the smallest of (Benjamini and Hochberg)."""
    order = np.argsort(p_values)
    scaled = p_values[order] * tests / np.arange(1, len(p_values) + 1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return corrected


def _moments(sums: Sums) -> tuple[FloatArray, NDArray[np.float64]]:
    mean = sums.loss / sums.rows
    return mean, np.maximum(sums.square - sums.rows * mean**2, 0) / (sums.rows - 1)
