"""Rules of shadows, A/B tests and bandits, and of what stands in for a version that fails."""

import json

from serving_world import World

from tidemill_contracts import layout
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_contracts.pb.routes_pb2 import BANDIT, STICKY, Comparison, Observed
from tidemill_serving.rewards import Rewards

TIMES = "stepSeconds: 60, minRequests: 20"


def begun(world: World, strategy: str, more: str = "") -> World:
    world.spec(f"{{strategy: {strategy}, {TIMES}{more}}}")
    world.bless(1)
    world.bless(2)
    return world


def in_shadow(world: World, requests: int, *, errors: int = 0, differing: int = 0) -> Observed:
    observed = world.saw(2, requests, errors=errors)
    observed.comparison.CopyFrom(Comparison(rows=requests, differing=differing))
    return observed


def test_a_shadow_answers_nobody(world: World) -> None:
    begun(world, "shadow")

    assert list(world.route.shadow_versions) == [2]
    assert not world.route.variants
    assert dict(world.route.labels) == {"stable": 1, "shadow": 2}


def test_a_shadow_that_answers_as_soundly_is_promoted_and_says_how_much_it_differs(world: World) -> None:
    begun(world, "shadow")
    world.report(world.saw(1, 500), in_shadow(world, 10, differing=4))
    assert "comparison: 4 of 10 answers differ from those of version 1" in world.state.findings
    world.pass_seconds(60)
    world.report(world.saw(1, 500), in_shadow(world, 10, differing=4))

    assert (world.route.stable_version, list(world.route.shadow_versions)) == (2, [])
    (event,) = world.untold
    assert isinstance(event, ModelDeployed)


def test_a_shadow_that_fails_is_withdrawn(world: World) -> None:
    begun(world, "shadow")
    world.report(world.saw(1, 100), in_shadow(world, 10, errors=5))

    assert (world.route.stable_version, list(world.route.shadow_versions)) == (1, [])
    (event,) = world.untold
    assert isinstance(event, ModelWithdrawn)
    assert (event.reason.code, event.failures) == ("errors", 5)


def test_an_ab_test_keeps_its_share_until_someone_decides(world: World) -> None:
    begun(world, "ab", ", steps: [0.3, 0.6], key: user-id")
    for _ in range(5):
        world.pass_seconds(60)
        world.report(world.saw(1, 140), world.saw(2, 60))

    assert [(variant.name, variant.weight) for variant in world.route.variants] == [
        ("ab", 0.3),
        ("stable", 0.7),
    ]
    assert (world.route.split, world.route.split_key) == (STICKY, "user-id")
    world.promote()
    assert world.route.stable_version == 2


def test_what_turns_bad_late_in_an_ab_test_does_not_drown_in_what_was_good(world: World) -> None:
    begun(world, "ab", ", steps: [0.3]")
    for _ in range(5):
        world.pass_seconds(60)
        world.report(world.saw(1, 14_000), world.saw(2, 6000))
    world.report(world.saw(1, 140), world.saw(2, 60, errors=40))

    assert world.route.release == 0


def test_a_bandit_goes_by_the_rewards_of_this_release(world: World) -> None:
    begun(world, "bandit")
    world.feedback.by_version = {
        (1, "stable"): Rewards(10, 6.0),
        (1, ""): Rewards(1, 0.5),
        (2, "bandit"): Rewards(10, 7.0),
    }
    world.parts.releases.reconcile()

    assert world.route.split == BANDIT
    candidate, stable = world.route.variants
    assert (candidate.version, candidate.successes, candidate.failures) == (2, 7.0, 3.0)
    assert (stable.version, stable.successes, stable.failures) == (1, 6.5, 4.5)
    assert 0.5 < candidate.weight < 1


def test_a_bandit_that_is_surely_better_is_promoted(world: World) -> None:
    begun(world, "bandit")
    world.feedback.by_version = {(1, "stable"): Rewards(19, 1.0), (2, "bandit"): Rewards(300, 270.0)}
    world.report(world.saw(1, 10), world.saw(2, 10))
    assert world.route.release == 2

    world.feedback.by_version[1, "stable"] = Rewards(20, 1.0)
    world.report(world.saw(1, 10), world.saw(2, 10))
    assert world.route.stable_version == 2


def test_a_bandit_that_is_surely_worse_is_taken_back(world: World) -> None:
    begun(world, "bandit")
    world.feedback.by_version = {(1, "stable"): Rewards(100, 90.0), (2, "bandit"): Rewards(100, 50.0)}
    world.report(world.saw(1, 10), world.saw(2, 10))

    (event,) = world.untold
    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "rewards"


def test_the_route_carries_what_the_spec_says_of_serving(world: World) -> None:
    text = json.dumps(
        {
            "metadata": {"name": "m"},
            "spec": {
                "label": "late",
                "columns": {"email": {"privacy": "hash"}, "hour": {"privacy": "keep"}, "age": {}},
                "serving": {"fallback": {"answer": {"y": 0.5}}, "log": {"share": 0.25}, "cacheSeconds": 5},
            },
        }
    )
    world.store.write(layout.pipeline_spec("m"), text.encode())
    world.bless(1)
    assert world.route.fallback.version == 0
    world.bless(2)

    route = world.route
    assert (route.fallback.version, json.loads(route.fallback.answer)) == (1, {"y": 0.5})
    assert (route.log_share, route.cache_seconds, list(route.unlogged_columns)) == (0.25, 5, ["email"])


def test_no_earlier_version_stands_in_where_the_spec_says_so(world: World) -> None:
    text = "metadata: {name: m}\nspec: {label: late, serving: {fallback: {previous: false}}}"
    world.store.write(layout.pipeline_spec("m"), text.encode())
    world.bless(1)
    world.bless(2)

    assert (world.route.fallback.version, world.route.fallback.answer) == (0, "")


def test_a_spec_that_cannot_be_read_leaves_the_last_in_force(world: World) -> None:
    begun(world, "ab", ", steps: [0.3]")
    world.store.write(layout.pipeline_spec("m"), b"metadata: {name: m}\nspec: {serving: nonsense}")
    world.parts.releases.reconcile()

    assert world.route.variants[0].weight == 0.3
