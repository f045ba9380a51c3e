"""How numbers of any size become inputs of a network: scores around 0, and the bins they fall into."""

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import FeatureOptions, NumericProfile
from tidemill_trainer.preprocessing.plan import Moment, Number

SECONDS_PER_YEAR = 365.2425 * 24 * 3600


def signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms that are defined, and rise, on both sides of 0."""
    return np.sign(values) * np.log1p(np.abs(values))


def mean_and_stddev(number: Number) -> tuple[float, float]:
    """Return what makes a z-score of a number, which options may have clipped, or made a logarithm."""
    profile, options = number.profile, number.options
    if profile is None or options.scale == "none":
        return 0.0, 1.0
    if options.scale == "standard" and options.clip is None:
        return profile.mean, profile.stddev or 1.0
    values = _clipped(profile.quantiles, number)
    values = signed_log(values) if options.scale == "log" else values
    return float(values.mean()), float(values.std()) or 1.0


def bin_edges(number: Number) -> NDArray[np.float32]:
    """Return the inner edges of bins that share the rows out evenly, rising; a value on one is above it."""
    if number.profile is None:
        return np.zeros(0, np.float32)
    edges = np.unique(_clipped(number.profile.quantiles, number).astype(np.float32))[1:]
    most = max(number.options.bins - 1, 0)
    if len(edges) > most:
        edges = edges[np.linspace(0, len(edges) - 1, most).round().astype(np.int64)]
    return edges


def year_number(moment: Moment) -> Number:
    """Return the years of points in time as numbers, which are scaled, without bins."""
    profile = moment.profile
    if profile is not None:
        seconds = profile.minimum, profile.maximum, profile.mean
        minimum, maximum, mean = (1970 + value / SECONDS_PER_YEAR for value in seconds)
        stddev = profile.stddev / SECONDS_PER_YEAR
        profile = NumericProfile(minimum=minimum, maximum=maximum, mean=mean, stddev=stddev, quantiles=())
    return Number(moment.name, FeatureOptions(bins=0), profile, gaps=True)


def _clipped(values: tuple[float, ...], number: Number) -> NDArray[np.float64]:
    lowest, highest = number.options.clip or (-np.inf, np.inf)
    return np.array(values, np.float64).clip(lowest, highest)
