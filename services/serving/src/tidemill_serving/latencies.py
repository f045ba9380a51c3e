"""How long calls took, as counts by bucket: medians, and whether one version is slower than another."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tidemill_contracts.observing import LATENCY_SECONDS
from tidemill_serving.tails import at_least

# Ratios of medians are counted by eighths of a doubling, up to 256-fold.
PER_OCTAVE = 8
MAX_OCTAVES = 8


@dataclass(frozen=True)
class Slowness:
    """How many of a version's calls were among the slowest, report by report, and what chance would give.

    Within a report, the calls of versions that are alike are slow with the same probability, whatever the
    moment; when there is more to do all are slower, and that is another report.
    """

    calls: int = 0
    slow: int = 0
    expected: float = 0.0

    def after(self, one: Sequence[int], other: Sequence[int]) -> "Slowness":
        """Add a report; as many calls are the slowest as the first version has calls, or nearly."""
        calls = sum(one)
        both = [here + there for here, there in zip_longest(one, other, fillvalue=0)]
        first = _first_slow(both, calls)
        expected = calls * sum(both[first:]) / sum(both)
        return Slowness(self.calls + calls, self.slow + sum(one[first:]), self.expected + expected)

    def probability(self) -> float:
        """Return a bound of the probability that chance alone gives so many slow ones, or more.

        What chance gives is a sum of independent ones and noughts, as every hypergeometric count is; and that
        is less spread than a binomial count of the same mean (Hoeffding, 1956).
        """
        return at_least(self.slow, self.calls, self.expected / self.calls) if self.calls else 1.0


def _first_slow(counts: Sequence[int], wanted: int) -> int:
    """Return the bucket from which on there are at most so many calls, but not none."""
    above, first = 0, len(counts)
    while first > 0 and (not above or above + counts[first - 1] <= wanted):
        first -= 1
        above += counts[first]
    return first


def ratio_key(seconds: float, other_seconds: float) -> int:
    """Return the step of a ratio: 0 for equal ones, `PER_OCTAVE` for twice as long."""
    octaves = math.log2(seconds / other_seconds)
    return round(max(-MAX_OCTAVES, min(MAX_OCTAVES, octaves)) * PER_OCTAVE)


def add_counts(counts: list[int], more: Iterable[int]) -> list[int]:
    """Add histograms, bucket by bucket; what is above the last bucket that is known stays there."""
    added = counts + [0] * (len(LATENCY_SECONDS) + 1 - len(counts))
    for bucket, times in enumerate(more):
        added[min(bucket, len(LATENCY_SECONDS))] += times
    return added


def median(latencies: list[int], *, low: bool) -> float | None:
    """Return the seconds of the request in the middle, of two the faster if `low`; None without requests."""
    total = sum(latencies)
    if not total:
        return None
    return _seconds_at(latencies, (total + 1) // 2 if low else total // 2 + 1)


def quantile(latencies: list[int], share: float) -> float:
    """Return the seconds within which a share of the requests was answered; 0 without requests."""
    total = sum(latencies)
    return _seconds_at(latencies, max(1, math.ceil(total * share))) if total else 0.0


def _seconds_at(latencies: list[int], rank: int) -> float:
    """Return the seconds of the request with this rank, from 1: evenly spread within a bucket."""
    below = 0
    for bucket, times in enumerate(latencies):
        if below + times >= rank:
            lower, upper = _bounds(bucket)
            return lower + (upper - lower) * (rank - below - 0.5) / times
        below += times
    raise ValueError(f"expected a rank up to {below}, received {rank}")


def _bounds(bucket: int) -> tuple[float, float]:
    lower = LATENCY_SECONDS[bucket - 1] if bucket else 0.0
    return lower, LATENCY_SECONDS[bucket] if bucket < len(LATENCY_SECONDS) else 2 * lower
