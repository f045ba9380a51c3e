"""The promise of the verdict: how often it takes back a good version, and how soon it finds a bad one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from tidemill_contracts.observing import LATENCY_SECONDS, TEXT_BUCKETS, answer_bucket, count_answer
from tidemill_contracts.pb.routes_pb2 import Observed
from tidemill_contracts.serving_spec import ReleaseLimits, Rollout
from tidemill_serving.deployment import Deployed, Release
from tidemill_serving.judging import Judgement, judge
from tidemill_serving.latencies import Slowness, add_counts, median, quantile
from tidemill_serving.observations import Observations
from tidemill_serving.rewards import Rewards, probability_of_being_best
from tidemill_serving.verdict import Evidence, level

STABLE, CANDIDATE = 1, 2
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
# Limits so narrow that only the probabilities hold a verdict back.
STRICT = ReleaseLimits(
    false_alarms=0.1, max_error_share=0, max_latency_ratio=1, max_distance=0, max_reward_loss=0
)


class Traffic:
    """Requests to two versions, in reports of half a second; both alike but for what is said."""

    def __init__(self, seed: int, *, share: float = 0.05, requests: int = 100) -> None:
        self.random = np.random.default_rng(seed)
        self.share, self.requests = share, requests
        self.observations = Observations()
        self.rewards = {STABLE: Rewards(), CANDIDATE: Rewards()}
        self.release = Release(
            candidate=Deployed(version=CANDIDATE, model_id="m"), strategy="canary", step_began=BEGAN
        )

    def report(self, errors: float = 0.02) -> None:
        """Add a report; the candidate fails this share of its requests, the stable version two per cent."""
        asked = self.random.binomial(self.requests, self.share)
        # A moment is slow for all that is under way, whichever version it asked.
        self.middle = 8 + self.random.integers(4)
        self.observations.add(
            [
                self._observed(STABLE, self.requests - asked, 0.02),
                self._observed(CANDIDATE, asked, errors),
            ],
            STABLE,
            CANDIDATE,
        )

    def judged(self, limits: ReleaseLimits) -> Judgement:
        rollout = Rollout(strategy="canary", limits=limits)
        evidence = Evidence(
            CANDIDATE, STABLE, self.observations, self.rewards[CANDIDATE], self.rewards[STABLE]
        )
        return judge(self.release, rollout, evidence, BEGAN + timedelta(seconds=1))

    def _observed(self, version: int, requests: int, errors: float) -> Observed:
        failed = self.random.binomial(requests, errors)
        answers = self.random.multinomial(requests - failed, (0.4, 0.3, 0.2, 0.1))
        latencies = add_counts([], [])
        for bucket in self.middle + self.random.integers(0, 3, requests - failed):
            latencies[bucket] += 1
        rewards = self.random.beta(2, 1, requests // 10)
        old = self.rewards[version]
        self.rewards[version] = Rewards(old.count + len(rewards), old.total + float(rewards.sum()))
        return Observed(
            version=version,
            codes={"OK": requests - failed, "INTERNAL": failed},
            unsound=self.random.binomial(requests - failed, 0.01),
            answers={str(number): times for number, times in enumerate(answers)},
            latencies=latencies,
        )


def reports_until_taken_back(
    traffic: Traffic, limits: ReleaseLimits, reports: int, errors: float
) -> int | None:
    for number in range(1, reports + 1):
        traffic.report(errors)
        if traffic.judged(limits).action == "take-back":
            return number
    return None


def test_false_alarms_are_as_rare_as_stated() -> None:
    releases = 150
    alarms = sum(
        reports_until_taken_back(Traffic(seed, share=0.3, requests=40), STRICT, 60, errors=0.02) is not None
        for seed in range(releases)
    )

    # More would come of a true rate of a tenth once in a thousand times.
    assert alarms <= stats.binom.isf(1e-3, releases, STRICT.false_alarms)


def test_a_version_that_fails_a_fifth_of_its_requests_at_a_twentieth_of_them_is_found_soon() -> None:
    found = [reports_until_taken_back(Traffic(seed), ReleaseLimits(), 100, errors=0.2) for seed in range(100)]
    requests = sorted(5 * (number or 1000) for number in found)

    assert requests[50] <= 80
    assert requests[-1] <= 250


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_version_that_fails_everything_is_found_within_twenty_of_its_requests(share: float) -> None:
    found = [
        reports_until_taken_back(
            Traffic(seed, share=share, requests=round(1 / share)), ReleaseLimits(), 20, errors=1
        )
        for seed in range(20)
    ]

    assert max(number or 1000 for number in found) <= 20


def test_all_looks_and_tests_together_spend_what_is_stated() -> None:
    assert sum(level(0.01, look, 5) for look in range(1, 100_000)) * 5 == pytest.approx(0.01, rel=1e-4)


def test_looks_are_taken_when_enough_more_is_known_and_not_at_every_report() -> None:
    traffic = Traffic(1)
    for _ in range(200):
        traffic.report()
        traffic.judged(ReleaseLimits())

    assert 10 < traffic.observations.looks < 40


def test_versions_that_answer_thousands_of_texts_alike_do_not_differ() -> None:
    traffic, random = Traffic(1), np.random.default_rng(1)
    for _ in range(20):
        reports = [
            Observed(version=version, codes={"OK": requests}, answers=counted(random, requests))
            for version, requests in ((STABLE, 5000), (CANDIDATE, 250))
        ]
        traffic.observations.add(reports, STABLE, CANDIDATE)

    (answers,) = (each for each in traffic.judged(ReleaseLimits()).findings if each.test == "answers")
    assert not answers.exceeds
    assert len(traffic.observations.tally(STABLE).answers) <= TEXT_BUCKETS


def test_answers_that_moved_just_across_a_bound_are_not_far_apart() -> None:
    for bound, exceeds in (("0.55", False), ("0.7", True)):
        traffic = Traffic(1)
        reports = [
            Observed(version=STABLE, codes={"OK": 1000}, answers={"0.5": 1000}),
            Observed(version=CANDIDATE, codes={"OK": 50}, answers={bound: 50}),
        ]
        traffic.observations.add(reports, STABLE, CANDIDATE)
        (answers,) = (each for each in traffic.judged(ReleaseLimits()).findings if each.test == "answers")
        assert answers.exceeds == exceeds


def counted(random: np.random.Generator, requests: int) -> dict[str, int]:
    texts, times = np.unique(random.integers(0, 2000, requests), return_counts=True)
    counts: dict[str, int] = {}
    for text, count in zip(texts, times, strict=True):
        count_answer(counts, answer_bucket("class", f"text {text}"), int(count))
    return counts


def test_what_is_worse_by_less_than_the_limit_stays_however_certain() -> None:
    limits = ReleaseLimits(max_error_share=0.05)

    assert reports_until_taken_back(Traffic(1, share=0.5), limits, 300, errors=0.04) is None


def test_lower_rewards_are_found() -> None:
    traffic = Traffic(1)
    traffic.report()
    traffic.rewards = {STABLE: Rewards(1000, 900.0), CANDIDATE: Rewards(100, 60.0)}
    judgement = traffic.judged(ReleaseLimits())

    assert judgement.reason is not None
    assert judgement.reason.code == "rewards"
    assert judgement.reason.message.startswith(
        "version 2, mean 0.600 of 100, 0.900 of 1,000 of version 1; by chance"
    )


def test_a_test_that_is_switched_off_says_nothing() -> None:
    traffic = Traffic(1)
    traffic.report(errors=1)
    off = ReleaseLimits(max_error_share=None, max_latency_ratio=None, max_distance=None, max_reward_loss=None)

    assert [finding.test for finding in traffic.judged(off).findings] == ["unsound"]


def test_the_probability_of_being_best_is_that_of_two_beta_posteriors() -> None:
    random = np.random.default_rng(1)
    one, other = Rewards(30, 20.5), Rewards(300, 190.0)
    draws = random.beta(21.5, 10.5, 400_000) > random.beta(191, 111, 400_000)

    assert probability_of_being_best(one, other) == pytest.approx(draws.mean(), abs=0.005)
    assert probability_of_being_best(Rewards(), Rewards()) == pytest.approx(0.5)


def test_a_slow_moment_that_meets_both_versions_is_no_ones_fault() -> None:
    quick, slow = add_counts([], [1, 99]), add_counts([], [0, 0, 0, 9, 1])
    slowness = Slowness().after(add_counts([], [0, 5]), quick).after(slow, add_counts([], [0, 0, 0, 4, 1]))

    assert slowness.probability() > 0.5


def test_the_probability_of_slowness_is_never_below_that_of_chance() -> None:
    one, other = add_counts([], [2, 3, 15]), add_counts([], [50, 100, 30])
    slowness = Slowness().after(one, other)
    table = [[15, 5], [30, 150]]

    exact = stats.fisher_exact(table, alternative="greater").pvalue
    assert exact <= slowness.probability() <= 100 * exact


def test_quantiles_of_counts_are_within_their_bucket() -> None:
    counts = add_counts([], [0, 10, 0, 10])

    first, second, third, fourth = LATENCY_SECONDS[:4]
    assert median(counts, low=True) == pytest.approx(first + 0.95 * (second - first))
    assert median(counts, low=False) == pytest.approx(third + 0.05 * (fourth - third))
    assert quantile(counts, 0.99) == pytest.approx(third + 0.95 * (fourth - third))
    assert (median([], low=True), quantile([], 0.5)) == (None, 0.0)
