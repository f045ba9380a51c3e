"""How far two profiles of a column lie apart.

As TensorFlow Data Validation has it: the L-infinity distance of categories, and the Jensen-Shannon
divergence, in bits, of numbers. The bins of the latter are drawn from the quantiles of both sides, so that
each holds about a tenth of their values. An outlier then moves the end of the last bin and no more: in bins
of equal width it would leave all other values in one. And a frequent number has a bin of its own on both
sides, where bins between the quantiles of each side would be a point here and a range there, which have
nothing in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidemill_contracts.profile import ColumnProfile, LabelProfile, NumericProfile

BINS = 10
# With fewer values than this on a side, what differs is mostly chance.
MIN_VALUES = 50

# So that 0.5 - 0.2 is not above 0.3, nor ten times 0.01 below 0.1.
DIGITS = 9

Metric = Literal["l_infinity", "jensen_shannon"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """How far apart, from 0 to 1. `most` is the category whose share differs most; None for numbers."""

    metric: Metric
    value: float
    most: str | None = None


def between_columns(one: ColumnProfile, other: ColumnProfile) -> Distance | None:
    """Compare the values of a column; None when their types differ, or a side has too few."""
    values, other_values = one.rows - one.nulls, other.rows - other.nulls
    if min(values, other_values) < MIN_VALUES:
        return None
    if one.categorical is not None and other.categorical is not None:
        counts, other_counts = dict(one.categorical.vocabulary), dict(other.categorical.vocabulary)
        return l_infinity(_shares(counts, values), _shares(other_counts, other_values))
    if one.numeric is not None and other.numeric is not None:
        finite, other_finite = in_common_bins(one.numeric, other.numeric)
        shares = _with_infinite(finite, one.numeric.infinities / values)
        other_shares = _with_infinite(other_finite, other.numeric.infinities / other_values)
        return Distance("jensen_shannon", jensen_shannon(shares, other_shares))
    return None


def between_labels(one: LabelProfile, other: LabelProfile) -> Distance | None:
    """Compare the labels of two sets of rows; None when they are for different tasks, or there are none."""
    if one.numeric is not None and other.numeric is not None:
        return Distance("jensen_shannon", jensen_shannon(*in_common_bins(one.numeric, other.numeric)))
    counts, other_counts = dict(one.classes), dict(other.classes)
    rows, other_rows = sum(counts.values()), sum(other_counts.values())
    if one.task != other.task or min(rows, other_rows) < MIN_VALUES:
        return None
    return l_infinity(_shares(counts, rows), _shares(other_counts, other_rows))


def missing(one: ColumnProfile, other: ColumnProfile) -> float:
    """Return by how much the shares of missing values differ."""
    if min(one.rows, other.rows) < MIN_VALUES:
        return 0.0
    return round(abs(one.nulls / one.rows - other.nulls / other.rows), DIGITS)


def l_infinity(one: Mapping[str, float], other: Mapping[str, float]) -> Distance:
    """Return the largest difference of a category's share; of several, that of the first text."""
    apart = {text: abs(one.get(text, 0) - other.get(text, 0)) for text in one.keys() | other.keys()}
    most = min(apart, key=lambda text: (-apart[text], text), default=None)
    return Distance("l_infinity", 0.0 if most is None else round(apart[most], DIGITS), most)


def jensen_shannon(one: Floats, other: Floats) -> float:
    """Return the divergence, in bits, of two distributions over the same bins; both add up to 1."""
    middle = (one + other) / 2
    divergence = (_relative_entropy(one, middle) + _relative_entropy(other, middle)) / 2
    return round(min(max(divergence, 0.0), 1.0), DIGITS)


def in_common_bins(one: NumericProfile, other: NumericProfile) -> tuple[Floats, Floats]:
    """Return the shares of finite numbers in bins that are the same for both."""
    values = np.union1d(one.quantiles, other.quantiles)
    masses, other_masses = _masses(one, values), _masses(other, values)
    bins = _bins((masses + other_masses) / 2)
    return _sums(bins, masses), _sums(bins, other_masses)


def _masses(numeric: NumericProfile, values: Floats) -> Floats:
    """Return what share of the numbers stands at each value: between two quantiles, half at either."""
    quantiles = np.array(numeric.quantiles)
    weights = np.full(len(quantiles), 1 / (len(quantiles) - 1))
    weights[[0, -1]] /= 2
    return _sums(np.searchsorted(values, quantiles), weights, len(values))


def _sums(places: npt.ArrayLike, weights: Floats, minlength: int = 0) -> Floats:
    return np.bincount(places, weights, minlength).astype(np.float64, copy=False)


def _bins(masses: Floats) -> list[int]:
    """Number the bins of neighbouring values: each is full, or one value that would fill it."""
    bins: list[int] = []
    number, filled = 0, 0.0
    for mass in masses:
        if filled and round(max(filled, mass), DIGITS) >= 1 / BINS:
            number, filled = number + 1, 0.0
        bins.append(number)
        filled += mass
    return bins


def _relative_entropy(one: Floats, other: Floats) -> float:
    some = one > 0
    return float((one[some] * np.log2(one[some] / other[some])).sum())


def _with_infinite(finite: Floats, infinite: float) -> Floats:
    """Add the share of infinite numbers, as a bin of their own."""
    return np.append(finite * (1 - infinite), infinite)


def _shares(counts: Mapping[str, int], rows: int) -> Mapping[str, float]:
    return {text: times / rows for text, times in counts.items()}
