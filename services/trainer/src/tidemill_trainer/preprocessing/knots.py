"""Where the bins of a number end, so that rows are told apart where there are rows."""

import numpy as np
from numpy.typing import NDArray

# Quantiles of so many rows are near enough those of all.
MAX_ROWS = 100_000
# Small data has fewer bins: what a bin of few rows says is learned by heart.
ROWS_PER_BIN = 500
MIN_BINS = 8
MIN_ROWS_APART = 50


def find_knots(values: NDArray[np.float32], bins: int) -> tuple[float, ...]:
    """Return the ends of bins, rising; none without values or bins.

    Bins share the rows out evenly at first. Where few values have most of the rows, those share out the ends
    that are left: of a number that is mostly 0, the others are what tells rows apart.

    Args:
        values: Of training rows; those that are not finite do not count.
        bins: How many bins there may be.
    """
    finite = values[np.isfinite(values)]
    finite = finite[:: max(1, len(finite) // MAX_ROWS)]
    if not len(finite) or bins < 2:
        return ()
    most = min(bins, max(MIN_BINS, len(finite) // ROWS_PER_BIN)) + 1
    ends = np.unique(_quantiles(finite, np.linspace(0, 1, most)))
    rest = finite[~np.isin(finite, ends)]
    while (more := min(most - len(ends), len(rest) // MIN_ROWS_APART)) > 0:
        ends = np.unique([*ends, *_quantiles(rest, np.linspace(0, 1, more + 2)[1:-1])])
        rest = rest[~np.isin(rest, ends)]
    return tuple(ends.tolist())


def _quantiles(values: NDArray[np.float32], ranks: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.quantile(values, ranks, method="inverted_cdf").astype(np.float32)
