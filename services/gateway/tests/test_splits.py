"""Rules of how requests are divided: shares as said, keys that stay, and a bandit that learns."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from tidemill_gateway.calls import Call
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.releasing.choices import Mirror, Subject
from tidemill_gateway.releasing.choosing import Options, options_of
from tidemill_gateway.routes import Fallback, Route, Split, Target, Variant

REQUESTS = 20_000
STABLE = Target("127.0.0.1:1", "m", 1)


def no_mirror(target: Target, _subject: Subject) -> Mirror:
    raise AssertionError(f"expected a route without shadows, received {target}")


def call_with(**headers: str) -> Call:
    pairs = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Call(ModelRef("m"), "rest", "tfs", "1", 0.0, headers=pairs)


def route_of(share: float, split: Split = Split.RANDOM, release: int = 7) -> Route:
    return Route(
        "127.0.0.1:1",
        1,
        frozenset({1, 2}),
        {"stable": 1},
        variants=(Variant("canary", 2, share), Variant("stable", 1, 1 - share)),
        split=split,
        split_key="tidemill-key",
        release=release,
    )


def options(route: Route, seed: int | None = 1) -> Options:
    return options_of(STABLE, route, no_mirror, seed=seed)


def met(split: Options, key: str) -> int:
    return split.choose(call_with(tidemill_key=key)).target.version


@pytest.mark.parametrize("split", [Split.RANDOM, Split.STICKY])
def test_requests_without_a_key_are_shared_by_weight(split: Split) -> None:
    chooser = options(route_of(0.25, split))

    counts = Counter(chooser.choose(call_with()).variant for _ in range(REQUESTS))

    assert counts["canary"] / REQUESTS == pytest.approx(0.25, abs=0.015)


def test_a_key_always_meets_the_same_version_in_every_gateway() -> None:
    one, another = (options(route_of(0.5, Split.STICKY), seed) for seed in (1, 2))
    keys = [f"user-{n}" for n in range(200)]

    first = [met(one, key) for key in keys]

    assert [met(one, key) for key in keys] == first
    assert [met(another, key) for key in keys] == first


def test_a_growing_share_keeps_the_keys_it_had() -> None:
    keys = [f"user-{n}" for n in range(REQUESTS)]
    shares = (0.05, 0.25, 0.5)

    members = [
        {key for key in keys if met(options(route_of(share, Split.STICKY)), key) == 2} for share in shares
    ]

    assert members[0] < members[1] < members[2]
    for share, met_it in zip(shares, members, strict=True):
        assert len(met_it) / REQUESTS == pytest.approx(share, abs=0.015)


def test_names_of_any_length_can_be_split_by_key() -> None:
    stable = replace(STABLE, model="m" * 1000)

    split = options_of(stable, route_of(0.5, Split.STICKY), no_mirror)

    assert {met(split, "k" * size) for size in range(1, 100)} == {1, 2}


def test_another_release_meets_other_keys() -> None:
    keys = [f"user-{n}" for n in range(2000)]

    one, other = (
        {key for key in keys if met(options(route_of(0.5, Split.STICKY, release)), key) == 2}
        for release in (7, 8)
    )

    assert len(one & other) / len(keys) == pytest.approx(0.25, abs=0.05)


def test_a_version_that_is_not_loaded_gets_no_request() -> None:
    route = replace(route_of(0.9), loaded_versions=frozenset({1}))

    chooser = options(route)

    assert {chooser.choose(call_with()).target.version for _ in range(100)} == {1}


def test_a_candidate_has_the_stable_version_behind_it_and_that_the_one_before() -> None:
    route = replace(route_of(0.5), fallback=Fallback(3, '{"y": 0}'), loaded_versions=frozenset({1, 2, 3}))

    choices = {choice.variant: choice for choice in options(route).choices}

    spares = {
        name: [(spare.name, spare.target.version) for spare in choice.spares[:1]]
        for name, choice in choices.items()
    }
    assert spares == {"canary": [("previous", 1)], "stable": [("previous", 3)]}
    assert [spare.name for spare in choices["canary"].spares] == ["previous", "answer"]
    without = options(replace(route, fallback=Fallback())).choices
    assert [len(choice.spares) for choice in without] == [1, 0]


def regret_of_sampling(rewards: tuple[float, float], requests: int, told_every: int, seed: int) -> float:
    """Play the real chooser against arms of fixed mean reward; return what the best arm would have added."""
    arms, chance, regret = ("a", "b"), random.Random(seed), 0.0
    successes, failures = [0.0, 0.0], [0.0, 0.0]
    chooser = None
    for number in range(requests):
        if number % told_every == 0:
            variants = tuple(
                Variant(name, place + 1, 0.5, successes[place], failures[place])
                for place, name in enumerate(arms)
            )
            chooser = options(
                replace(route_of(0.5, Split.BANDIT), variants=variants), seed=seed * 100_003 + number
            )
        assert chooser is not None
        place = chooser.choose(call_with()).target.version - 1
        reward = chance.random() < rewards[place]
        successes[place] += reward
        failures[place] += not reward
        regret += max(rewards) - rewards[place]
    return regret


def regret_of_epsilon_greedy(
    rewards: tuple[float, float], requests: int, told_every: int, seed: int
) -> float:
    chance, regret = random.Random(seed), 0.0
    means, sums, counts = [0.0, 0.0], [0.0, 0.0], [0, 0]
    for number in range(requests):
        if number % told_every == 0:
            means = [total / count if count else 1.0 for total, count in zip(sums, counts, strict=True)]
        explores = chance.random() < 0.1 or means[0] == means[1]
        place = chance.randrange(2) if explores else int(means[1] > means[0])
        sums[place] += chance.random() < rewards[place]
        counts[place] += 1
        regret += max(rewards) - rewards[place]
    return regret


@pytest.mark.parametrize("rewards", [(0.6, 0.5), (0.1, 0.2), (0.9, 0.3)])
def test_the_bandit_regrets_less_than_epsilon_greedy(rewards: tuple[float, float]) -> None:
    requests, told_every, seeds = 10_000, 100, range(8)

    sampled = sum(regret_of_sampling(rewards, requests, told_every, seed) for seed in seeds) / len(seeds)
    greedy = sum(regret_of_epsilon_greedy(rewards, requests, told_every, seed) for seed in seeds) / len(seeds)

    print(f"regret of {requests} requests at {rewards}: sampling {sampled:.0f}, epsilon-greedy {greedy:.0f}")
    assert sampled < greedy


def test_the_bandit_draws_nearly_always_what_is_surely_better() -> None:
    variants = Variant("bandit", 2, 0.5, 900, 100), Variant("stable", 1, 0.5, 500, 500)
    chooser = options(replace(route_of(0.5, Split.BANDIT), variants=variants))

    counts = Counter(chooser.choose(call_with()).variant for _ in range(1000))

    assert counts["bandit"] == 1000


def test_versions_without_feedback_are_met_alike() -> None:
    chooser = options(route_of(0.1, Split.BANDIT))

    counts = Counter(chooser.choose(call_with()).variant for _ in range(REQUESTS))

    assert counts["canary"] / REQUESTS == pytest.approx(0.5, abs=0.02)
