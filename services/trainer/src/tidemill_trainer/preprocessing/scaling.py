"""How numbers of any size become inputs of a network: scores around 0, and the bins they fall into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import FeatureOptions, NumericProfile, TimePart
from tidemill_trainer.preprocessing.plan import Moment, Number, Plan

SECONDS_PER_YEAR = 365.2425 * 24 * 3600
# The first value of a part of time that comes again and again, and how many there are.
CYCLES: dict[TimePart, tuple[int, int]] = {
    "month": (1, 12),
    "day": (1, 31),
    "weekday": (0, 7),
    "hour": (0, 24),
    "minute": (0, 60),
}


@dataclass(frozen=True)
class Positions:
    """Which encoded numbers are scaled, years among them, and which are places in cycles.

    `numbers` and `cycles` say what is at the positions.
    """

    numbers: tuple[Number, ...]
    scaled: list[int]
    cycles: tuple[TimePart, ...]
    cyclic: list[int]


def find_positions(plan: Plan) -> Positions:
    """Tell the encoded numbers of a plan apart."""
    parts = [(moment, part) for moment in plan.moments for part in moment.parts]
    places = list(enumerate(parts, len(plan.numbers)))
    return Positions(
        numbers=(*plan.numbers, *(year_number(moment) for moment, part in parts if part == "year")),
        scaled=[*range(len(plan.numbers)), *(place for place, (_, part) in places if part == "year")],
        cycles=tuple(part for _, part in parts if part != "year"),
        cyclic=[place for place, (_, part) in places if part != "year"],
    )


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


def knots(number: Number) -> NDArray[np.float32]:
    """Return the ends of a number's bins, rising; one end where there are no bins."""
    return np.unique(_clipped(number.knots or (0.0,), number).astype(np.float32))


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
