"""What scores and bins of numbers are made with, in NumPy and in TensorFlow."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.preprocessing.plan import Number
from tidemill_trainer.preprocessing.scaling import knots, mean_and_stddev, signed_log

MAX_SCORE = 5.0


class NumberScaling:
    """Constants per number, `[columns]`, and the ends of all bins, one number's after the other's.

    Args:
        fill: What a missing number becomes; NaN: it stays missing.
        first_ends: Where each number's ends begin.
    """

    def __init__(self, numbers: Sequence[Number]) -> None:
        """Fix what is known of the numbers."""
        scales = np.array([mean_and_stddev(number) for number in numbers], np.float32).reshape(-1, 2)
        self.means, self.factors = scales[:, 0], 1 / scales[:, 1]
        self.limits = np.array(
            [np.inf if number.options.scale == "none" else MAX_SCORE for number in numbers], np.float32
        )
        self.is_log = np.array([number.options.scale == "log" for number in numbers], np.bool_)
        self.fill = np.array([_instead_of_missing(number) for number in numbers], np.float32)
        self.ends_by_column = [knots(number) for number in numbers]
        self.ends = np.concatenate([np.zeros(0, np.float32), *self.ends_by_column])
        self.first_ends = np.cumsum([0, *map(len, self.ends_by_column)])[:-1]

    def filled(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return numbers of which those are still missing that are to be."""
        return np.where(np.isnan(numbers), self.fill, numbers)

    def scores(self, filled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of filled numbers, `[rows, columns]`; 0 for a missing one."""
        read = np.where(self.is_log, signed_log(filled.astype(np.float64)), filled)
        scores = np.clip((read - self.means) * self.factors, -self.limits, self.limits)
        return np.where(np.isnan(filled), np.float32(0), scores).astype(np.float32)


def _instead_of_missing(number: Number) -> float:
    if number.options.missing_indicator or number.profile is None:
        return np.nan
    return number.profile.mean
