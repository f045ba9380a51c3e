"""What gateways saw of the versions of one pipeline: since they were released, and in the present step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidemill_contracts.pb.routes_pb2 import Observed
from tidemill_serving.latencies import Slowness, add_counts, median, ratio_key

OK = "OK"
# There are 17 canonical codes, and some thousand buckets; who names more has the rest counted as one.
MAX_NAMES = 4096
OTHER = "__other__"
MAX_GATEWAYS = 1000


@dataclass
class Tally:
    """Requests to one version. `answers` counts requests by bucket, `latencies` those that were answered."""

    codes: dict[str, int] = field(default_factory=dict)
    unsound: int = 0
    latencies: list[int] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    differing: int = 0

    @property
    def requests(self) -> int:
        return sum(self.codes.values())

    @property
    def errors(self) -> int:
        return self.requests - self.codes.get(OK, 0)

    def add(self, observed: Observed) -> None:
        """Add what a gateway saw since its last report."""
        _add(self.codes, observed.codes)
        _add(self.answers, observed.answers)
        self.unsound += observed.unsound
        self.latencies = add_counts(self.latencies, observed.latencies)
        self.compared += observed.comparison.rows
        self.differing += observed.comparison.differing


@dataclass
class Observations:
    """What is known of one pipeline. A step's sums begin anew with it, and answers and failures do not.

    `ratios` counts reports by how many times slower the candidate's median was than the stable version's, in
    logarithmic steps; `slowness` says whether that may be chance. `looks` counts how often the verdict was
    asked for in the release, and `looked_at` is how much was known the last time.
    """

    release: int = 0
    step: int = 0
    tallies: dict[int, Tally] = field(default_factory=dict)
    ratios: dict[int, int] = field(default_factory=dict)
    slowness: Slowness = field(default_factory=Slowness)
    answered: dict[int, int] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)
    reports: dict[str, int] = field(default_factory=dict)
    looks: int = 0
    looked_at: int = 0

    def tally(self, version: int) -> Tally:
        """Return what was seen of a version in this step."""
        return self.tallies.get(version) or Tally()

    def begin(self, release: int, step: int) -> None:
        """Go on with a step, counted anew; with another release, its looks as well."""
        if release != self.release:
            self.looks = 0
        self.release, self.step, self.looked_at = release, step, 0
        self.tallies, self.ratios, self.slowness = {}, {}, Slowness()

    def forget_all_but(self, versions: Iterable[int]) -> None:
        """Drop the sums of versions that are no longer loaded."""
        kept = set(versions)
        for sums in (self.answered, self.failed):
            for version in sums.keys() - kept:
                del sums[version]

    def is_new(self, gateway: str, number: int) -> bool:
        """Say whether a report was not counted yet, and remember it; of too many gateways, the latest."""
        if number <= self.reports.get(gateway, 0):
            return False
        self.reports.pop(gateway, None)
        self.reports[gateway] = number
        if len(self.reports) > MAX_GATEWAYS:
            del self.reports[next(iter(self.reports))]
        return True

    def add(self, observed: Iterable[Observed], stable: int, candidate: int | None) -> None:
        """Add one report: `observed` is all that it says of this pipeline's versions."""
        seen: dict[int, list[int]] = {}
        for each in observed:
            if each.version not in (stable, candidate):
                continue
            self._count(each)
            if candidate is not None and each.release == self.release:
                self.tallies.setdefault(each.version, Tally()).add(each)
                seen[each.version] = add_counts(seen.get(each.version, []), each.latencies)
        if candidate is not None:
            self._compare(seen.get(candidate, []), seen.get(stable, []))

    def _compare(self, one: list[int], other: list[int]) -> None:
        """Add what one report says of how long the candidate takes, and the stable version at that time."""
        middle, other_middle = median(one, low=True), median(other, low=False)
        if middle is None or other_middle is None:
            return
        key = ratio_key(middle, other_middle)
        self.ratios[key] = self.ratios.get(key, 0) + 1
        self.slowness = self.slowness.after(one, other)

    def _count(self, observed: Observed) -> None:
        requests = sum(observed.codes.values())
        sound = observed.codes.get(OK, 0) - observed.unsound
        self.answered[observed.version] = self.answered.get(observed.version, 0) + observed.codes.get(OK, 0)
        self.failed[observed.version] = self.failed.get(observed.version, 0) + requests - sound


def _add(sums: dict[str, int], counts: Mapping[str, int]) -> None:
    for name, times in counts.items():
        known = name if name in sums or len(sums) < MAX_NAMES else OTHER
        sums[known] = sums.get(known, 0) + times
