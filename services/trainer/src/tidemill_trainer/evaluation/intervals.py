"""How sure a metric is: bootstrap confidence intervals, bias-corrected and accelerated (BCa).

A resample is a set of weights, so a metric is computed exactly for many resamples at once. Beyond a number of
cells a random part of the units is resampled, and the interval is narrowed by the square root of its share.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.metrics import METRICS, Weighted, weighted_metrics
from tidemill_trainer.evaluation.scored import FloatArray, Indices, Scored

# Rows times outputs that are resampled at most.
MAX_CELLS = 500_000
# Weights that are held at once: what fits into a processor's cache.
CHUNK_CELLS = 200_000
JACKKNIFE_BLOCKS = 50
# Bias, in standard errors, beyond which draws are so far to one side that no percentile of theirs helps.
MAX_BIAS = 0.5

# From the indices of rows to the statistics of these rows.
Build = Callable[[Indices], Weighted]


class Estimate(ProfileModel):
    """A number, its standard error, and the interval that holds the true one with the stated confidence."""

    value: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class Resampling:
    """How intervals are found: whole groups are drawn where the rows have them, else rows."""

    resamples: int = 400
    confidence: float = 0.95
    seed: int = 0


DEFAULT_RESAMPLING = Resampling()


def estimate_metrics(scored: Scored, how: Resampling = DEFAULT_RESAMPLING) -> dict[str, Estimate]:
    """Return every metric of `measure_scored` with its interval, but for those hardly ever defined."""
    return bootstrap(lambda rows: METRICS[scored.task](scored.take(rows)), scored, how)


def bootstrap(build: Build, scored: Scored, how: Resampling = DEFAULT_RESAMPLING) -> dict[str, Estimate]:
    """Return statistics of rows with intervals.

    Args:
        build: Makes the statistics of some rows; they take weights `[draws, rows]` in the order of the rows.
        scored: Gives the weights of the rows, and the groups in which they are drawn.
        how: How many resamples, for which confidence, from which seed.
    """
    random = np.random.default_rng(how.seed)
    rows, share = _resampled_rows(scored, random)
    part = scored.take(rows)
    statistics = build(rows)
    observed = weighted_metrics(statistics, part.row_weights[None])
    draws = _collect(statistics, _resamples(part, how.resamples, random))
    without = _collect(statistics, _jackknife(part, random))
    whole = observed if share == 1 else _observe(build, scored)
    estimates = {}
    for name, value in observed.items():
        interval = _interval(float(value[0]), draws[name], without[name], how.confidence)
        if interval is not None and np.isfinite(whole[name][0]):
            estimates[name] = _around(float(whole[name][0]), interval, np.sqrt(share))
    return estimates


def _observe(build: Build, scored: Scored) -> dict[str, FloatArray]:
    return weighted_metrics(build(np.arange(len(scored))), scored.row_weights[None])


def _resampled_rows(scored: Scored, random: np.random.Generator) -> tuple[Indices, float]:
    """Return the rows to resample, and their share of the independent units."""
    units = int(scored.units.max()) + 1
    wanted = min(units, int(np.ceil(units * MAX_CELLS / scored.predictions.size)))
    if wanted == units:
        return np.arange(len(scored)), 1.0
    chosen = np.zeros(units, np.bool_)
    chosen[random.choice(units, wanted, replace=False)] = True
    return np.flatnonzero(chosen[scored.units]), wanted / units


def _resamples(scored: Scored, resamples: int, random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield weights `[draws, rows]`: how often each row was drawn, times its own weight."""
    rows, units = len(scored), int(scored.units.max()) + 1
    at_once = max(1, CHUNK_CELLS // rows)
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        drawn = random.integers(0, units, (draws, units), np.int32)
        places = drawn + units * np.arange(draws)[:, None] if draws > 1 else drawn
        times = np.bincount(places.ravel(), minlength=draws * units).reshape(draws, units)
        yield (times if scored.groups is None else times[:, scored.units]) * scored.row_weights


def _jackknife(scored: Scored, random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield weights `[1, rows]` that leave out one block of units each."""
    units = int(scored.units.max()) + 1
    blocks = min(units, JACKKNIFE_BLOCKS)
    block = (random.permutation(units) % blocks)[scored.units]
    for left_out in range(blocks):
        yield (scored.row_weights * (block != left_out))[None]


def _collect(statistics: Weighted, weightings: Iterator[FloatArray]) -> dict[str, FloatArray]:
    parts = [weighted_metrics(statistics, weights) for weights in weightings]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _interval(value: float, draws: FloatArray, without: FloatArray, confidence: float) -> Estimate | None:
    """Return the interval that draws give; None when half of them are not defined."""
    defined, without = draws[np.isfinite(draws)], without[np.isfinite(without)]
    if not np.isfinite(value) or len(defined) < 2 or len(defined) * 2 < len(draws) or not len(without):
        return None
    below = (np.sum(defined < value) + np.sum(defined <= value)) / 2 / len(defined)
    bias = float(special.ndtri(np.clip(below, 0.5 / len(defined), 1 - 0.5 / len(defined))))
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if abs(bias) > MAX_BIAS:
        high, low = 2 * value - np.quantile(defined, tails)
    else:
        low, high = np.quantile(defined, _bca_levels(bias, without, tails))
    # What no draw leaves, [0, 1] or [0, infinity), is taken for the range of the statistic.
    floor = 0.0 if min(value, defined.min()) >= 0 else -np.inf
    ceiling = 1.0 if max(value, defined.max()) <= 1 else np.inf
    return Estimate(
        value=value,
        low=min(max(low, floor), value),
        high=max(min(high, ceiling), value),
        standard_error=float(np.std(defined, ddof=1)),
    )


def _bca_levels(bias: float, without: FloatArray, tails: FloatArray) -> FloatArray:
    """Correct the levels of an interval for bias and skew (Efron 1987)."""
    influence = without.mean() - without
    spread = np.sum(influence**2) ** 1.5
    skew = np.sum(influence**3) / (6 * spread) if spread > 0 else 0.0
    shifted = bias + special.ndtri(tails)
    levels: FloatArray = special.ndtr(bias + shifted / (1 - skew * shifted))
    return levels


def _around(value: float, found: Estimate, scale: float) -> Estimate:
    """Move an interval found on a part of the rows to the value of all, and narrow it."""
    if scale == 1:
        return found
    return Estimate(
        value=value,
        low=value + (found.low - found.value) * scale,
        high=value + (found.high - found.value) * scale,
        standard_error=found.standard_error * scale,
    )
