"""The verdict on a version that is being released, against the stable one at the same time.

Every test asks two things: whether the version is worse by more than the limit that the spec sets, and
whether chance would show so much for a version that is as good with at most the probability that this test
has at this look. Those probabilities add up to the spec's `falseAlarms` over all tests and all looks of a
release: look k has 1 / (k (k + 1)) of it, its tests equal parts of that. All tests go by counts, and
are exact, or err on the side of the version.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidemill_contracts.distances import jensen_shannon
from tidemill_contracts.observing import coarser
from tidemill_contracts.serving_spec import ReleaseLimits
from tidemill_serving.latencies import quantile, ratio_key
from tidemill_serving.observations import Observations, Tally
from tidemill_serving.rewards import Rewards
from tidemill_serving.tails import more_often

# The next look is due when this much more is known: looks every half second would each be worth little.
GROWTH = 1.25
# A pause of a second or two makes no slow version.
MIN_REPORTS = 5


@dataclass(frozen=True)
class Evidence:
    """What is known of two versions, in this step; rewards are of the whole release."""

    version: int
    stable_version: int
    observations: Observations
    rewards: Rewards
    stable_rewards: Rewards

    @property
    def candidate(self) -> Tally:
        return self.observations.tally(self.version)

    @property
    def stable(self) -> Tally:
        return self.observations.tally(self.stable_version)

    @property
    def amount(self) -> int:
        """How much is known, whatever it says."""
        return self.candidate.requests + self.rewards.count

    @property
    def calls_for_a_look(self) -> bool:
        """Say whether enough more is known than at the last look."""
        return self.amount > self.observations.looked_at * GROWTH


@dataclass(frozen=True)
class Finding:
    """What one test says: in words, and how probable it would be of a version as good as the stable one.

    `exceeds` says that the version is worse by more than its limit, as far as was seen.
    """

    test: str
    text: str
    exceeds: bool
    probability: float

    def condemns(self, level: float) -> bool:
        """Say whether the version must go, at a level of significance."""
        return self.exceeds and self.probability <= level


def level(false_alarms: float, look: int, tests: int) -> float:
    """Return the probability of a false alarm that each test has at a look; looks count from 1."""
    return false_alarms / (look * (look + 1)) / tests


def findings(evidence: Evidence, limits: ReleaseLimits) -> list[Finding]:
    """Return what every test that is not switched off says."""
    said = [_unsound(evidence)]
    if limits.max_error_share is not None:
        said.append(_errors(evidence, limits.max_error_share))
    if limits.max_latency_ratio is not None:
        said.append(_latency(evidence, limits.max_latency_ratio))
    if limits.max_distance is not None:
        said.append(_answers(evidence, limits.max_distance))
    if limits.max_reward_loss is not None:
        said.append(_rewards(evidence, limits.max_reward_loss))
    return said


def _unsound(evidence: Evidence) -> Finding:
    one, other = evidence.candidate, evidence.stable
    text = f"{one.unsound:,} of {one.requests:,} answers are no finite numbers"
    if other.unsound:
        text += f", {other.unsound:,} of {other.requests:,} of version {evidence.stable_version}"
    probability = more_often(one.unsound, one.requests, other.unsound, other.requests)
    return Finding("unsound", text, one.unsound > 0, probability)


def _errors(evidence: Evidence, limit: float) -> Finding:
    one, other = evidence.candidate, evidence.stable
    share, other_share = _share(one.errors, one.requests), _share(other.errors, other.requests)
    text = (
        f"{share * 100:.2f} % of {one.requests:,} requests failed, "
        f"{other_share * 100:.2f} % of {other.requests:,} to version {evidence.stable_version}"
    )
    probability = more_often(one.errors, one.requests, other.errors, other.requests)
    return Finding("errors", text, share - other_share > limit, probability)


def _latency(evidence: Evidence, limit: float) -> Finding:
    """Test whether more of its calls are slow than of all at the same time, and again and again.

    Calls that are under way in one moment are slow together; so the medians of most of several reports must
    be beyond the limit.
    """
    ratios = evidence.observations.ratios
    reports = sum(ratios.values())
    if not reports:
        return Finding("latency", "no report with calls of both yet", exceeds=False, probability=1.0)
    beyond = sum(times for key, times in ratios.items() if key > ratio_key(limit, 1))
    one, other = evidence.candidate.latencies, evidence.stable.latencies
    text = (
        f"median {quantile(one, 0.5) * 1e3:.1f} ms, {quantile(other, 0.5) * 1e3:.1f} ms "
        f"of version {evidence.stable_version}; above {limit:g} times in {beyond:,} of {reports:,} reports"
    )
    exceeds = reports >= MIN_REPORTS and 2 * beyond > reports
    return Finding("latency", text, exceeds, evidence.observations.slowness.probability())


def _answers(evidence: Evidence, limit: float) -> Finding:
    """Test every bucket against all others, on both sides.

    The least probable result, times the number of tests, is what all together give. The distance is that of
    buckets twice as wide: answers that moved just across a bound are next to those of before, not far away.
    """
    one, other = evidence.candidate.answers, evidence.stable.answers
    rows, other_rows = sum(one.values()), sum(other.values())
    if not rows or not other_rows:
        return Finding("answers", "none of both to compare yet", exceeds=False, probability=1.0)
    distance = min(_distance(_coarser(one, offset), _coarser(other, offset)) for offset in (0, 1))
    whose = f"those of version {evidence.stable_version}"
    text = f"{distance:.3f} bits from {whose}, of {rows:,} and {other_rows:,} requests"
    tests = [
        more_often(here, tries, there, other_tries)
        for bucket in one.keys() | other.keys()
        for here, tries, there, other_tries in (
            (one.get(bucket, 0), rows, other.get(bucket, 0), other_rows),
            (other.get(bucket, 0), other_rows, one.get(bucket, 0), rows),
        )
    ]
    return Finding("answers", text, distance > limit, min(1.0, min(tests) * len(tests)))


def _coarser(counts: Mapping[str, int], offset: int) -> Mapping[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for bucket, times in counts.items():
        sums[coarser(bucket, offset)] += times
    return sums


def _distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    buckets = sorted(one.keys() | other.keys())
    shares, other_shares = (
        np.array([counts.get(bucket, 0) for bucket in buckets], np.float64) / sum(counts.values())
        for counts in (one, other)
    )
    return jensen_shannon(shares, other_shares)


def _rewards(evidence: Evidence, limit: float) -> Finding:
    """Test rewards as if each were all or nothing, which overstates how much they vary."""
    one, other = evidence.rewards, evidence.stable_rewards
    if not one.count or not other.count:
        return Finding("rewards", "no feedback on both yet", exceeds=False, probability=1.0)
    text = (
        f"mean {one.mean:.3f} of {one.count:,}, {other.mean:.3f} of {other.count:,} "
        f"of version {evidence.stable_version}"
    )
    lost, other_lost = int(one.failures), int(np.ceil(other.failures))
    probability = more_often(lost, one.count, min(other_lost, other.count), other.count)
    return Finding("rewards", text, other.mean - one.mean > limit, probability)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
