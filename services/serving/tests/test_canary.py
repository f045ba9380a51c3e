"""Rules of a canary: it takes its steps by itself, and is taken back by itself, whatever restarts."""

import pytest
from serving_world import World

from tidemill_contracts.events import ModelDeployed, ModelWithdrawn, ReleaseStepped
from tidemill_contracts.pb.routes_pb2 import STICKY, Variant
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.verdict import MIN_REPORTS

ROLLOUT = "{strategy: canary, steps: [0.1, 0.5], stepSeconds: 60, minRequests: 20}"


@pytest.fixture
def canary(world: World) -> World:
    """Version 2 is a canary beside version 1."""
    world.spec(ROLLOUT)
    world.bless(1)
    world.bless(2)
    return world


def weights(world: World) -> dict[str, float]:
    return {variant.name: variant.weight for variant in world.route.variants}


def test_a_first_version_has_nothing_to_stand_beside_and_serves_at_once(world: World) -> None:
    world.spec(ROLLOUT)
    event = world.bless(1)

    assert isinstance(event, ModelDeployed)
    assert (event.label, event.share, event.release) == ("stable", 1, 1)
    assert not world.route.variants


def test_a_canary_begins_with_the_first_share_first_in_the_route_and_under_its_label(world: World) -> None:
    world.spec(ROLLOUT)
    world.bless(1)
    event = world.bless(2)

    assert isinstance(event, ModelDeployed)
    assert (event.label, event.share, event.replaces, event.release) == ("canary", 0.1, 1, 2)
    route = world.route
    assert list(route.variants) == [
        Variant(name="canary", version=2, weight=0.1),
        Variant(name="stable", version=1, weight=0.9),
    ]
    assert (route.stable_version, route.release) == (1, 2)
    assert (route.split, route.split_key) == (STICKY, "tidemill-key")
    assert dict(route.labels) == {"stable": 1, "canary": 2}
    assert world.server.labels == {"m": {"stable": 1, "canary": 2}}


def test_a_step_needs_its_time_and_its_requests(canary: World) -> None:
    canary.report(canary.saw(1, 500), canary.saw(2, 19))
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 500))
    assert weights(canary)["canary"] == 0.1

    canary.report(canary.saw(2, 1))
    assert weights(canary)["canary"] == 0.5

    (event,) = canary.untold
    assert isinstance(event, ReleaseStepped)
    assert (event.step, event.share, event.release, event.seconds) == (1, 0.5, 2, 60)
    assert event.findings[1] == "errors: 0.00 % of 20 requests failed, 0.00 % of 1,000 to version 1"


def test_after_the_last_step_the_canary_is_stable(canary: World) -> None:
    for _ in range(2):
        canary.pass_seconds(60)
        canary.report(canary.saw(1, 180), canary.saw(2, 20))
    canary.parts.releases.reconcile()

    assert (canary.route.stable_version, canary.route.release) == (2, 0)
    assert not canary.route.variants
    assert canary.server.labels == {"m": {"stable": 2}}
    event = canary.untold[-1]
    assert isinstance(event, ModelDeployed)
    assert (event.label, event.replaces) == ("stable", 1)


def test_a_canary_that_the_model_server_lost_is_not_promoted(canary: World) -> None:
    seen = canary.saw(1, 180), canary.saw(2, 20)
    del canary.server.models["m", 2]
    canary.server.forget()
    canary.parts.releases.reconcile()
    for _ in range(2):
        canary.pass_seconds(60)
        canary.report(*seen)

    assert canary.state.stable_version == canary.route.stable_version == 1
    assert not canary.route.variants


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("errors", {"errors": 5}),
        ("unsound", {"unsound": 5}),
        ("answers", {"answers": {"b": 5}}),
    ],
)
def test_a_bad_canary_is_taken_back_by_one_report(canary: World, code: str, fault: dict[str, int]) -> None:
    canary.report(canary.saw(1, 45), canary.saw(2, 5, **fault))  # type: ignore[arg-type]

    assert (canary.route.stable_version, canary.route.release) == (1, 0)
    assert not canary.route.variants
    assert "canary" not in canary.route.labels
    (event,) = canary.untold
    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == code


def test_a_slow_canary_is_taken_back_after_some_reports(canary: World) -> None:
    reports = 0
    while canary.route.release and reports < 40:
        canary.report(canary.saw(1, 45), canary.saw(2, 5, slow=True))
        reports += 1

    assert MIN_REPORTS <= reports <= MIN_REPORTS + 1
    (event,) = canary.untold
    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "latency"


def test_one_slow_moment_of_many_requests_proves_nothing(canary: World) -> None:
    canary.report(canary.saw(1, 10), canary.saw(2, 1000, slow=True))

    assert canary.route.release == 2


def test_what_it_answered_and_failed_is_told_of_all_its_steps(canary: World) -> None:
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))
    canary.report(canary.saw(1, 20), canary.saw(2, 20, errors=19))

    event = canary.untold[-1]
    assert isinstance(event, ModelWithdrawn)
    assert (event.answers, event.failures) == (21, 19)


def test_a_withdrawn_canary_stays_withdrawn_when_its_blessing_comes_again(canary: World) -> None:
    canary.report(canary.saw(1, 45), canary.saw(2, 5, errors=5))
    (told,) = canary.untold
    again = canary.bless(2)

    assert isinstance(again, ModelWithdrawn)
    assert again.model_copy(update={"seconds": told.seconds}) == told  # type: ignore[attr-defined]
    assert canary.route.stable_version == 1


def test_a_report_that_comes_again_is_not_counted_again(canary: World) -> None:
    canary.pass_seconds(60)
    for _ in range(3):
        canary.report(canary.saw(1, 100), canary.saw(2, 10), number=1)

    assert weights(canary)["canary"] == 0.1


def test_reports_of_another_release_are_no_evidence(canary: World) -> None:
    late = canary.saw(2, 20, errors=20)
    late.release = 1
    canary.report(canary.saw(1, 45), late)

    assert canary.route.release == 2


def test_a_restart_goes_on_where_the_release_was(canary: World) -> None:
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))
    canary.report(canary.saw(1, 19), canary.saw(2, 19))
    canary.parts.switch.sightings.save(all_of_them=True)
    canary.restart()
    assert weights(canary)["canary"] == 0.5
    canary.pass_seconds(60)
    canary.report(canary.saw(2, 1))

    assert canary.route.stable_version == 2


def test_a_newer_version_takes_the_canarys_place(canary: World) -> None:
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))
    event = canary.bless(3)

    assert isinstance(event, ModelDeployed)
    assert (event.version, event.label, event.replaces, event.share) == (3, "canary", 1, 0.1)
    assert weights(canary) == {"canary": 0.1, "stable": 0.9}
    withdrawn = canary.untold[-1]
    assert isinstance(withdrawn, ModelWithdrawn)
    assert (withdrawn.version, withdrawn.reason.code) == (2, "superseded")
    assert canary.server.versions == {"m": {1, 3}}


def test_a_faulty_newer_version_leaves_the_canary_alone(canary: World) -> None:
    event = canary.bless_broken(3)

    assert isinstance(event, ModelWithdrawn)
    assert (canary.route.release, weights(canary)["canary"]) == (2, 0.1)


def test_the_limits_of_now_apply(canary: World) -> None:
    canary.spec(ROLLOUT.replace("}", ", limits: {maxErrorShare: null}}"))
    canary.report(canary.saw(1, 45), canary.saw(2, 5, errors=5))

    assert canary.route.release == 2


def test_while_the_model_server_has_lost_the_canary_only_stable_answers(canary: World) -> None:
    del canary.server.models["m", 2]
    canary.parts.releases.reconcile()

    assert not canary.route.variants
    assert canary.route.stable_version == 1


def test_events_of_a_release_belong_to_the_drop_that_caused_it(canary: World) -> None:
    canary.report(canary.saw(1, 45), canary.saw(2, 5, errors=5))
    (event,) = canary.parts.switch.get("m").untold

    assert event.origin.model_dump() == {
        "correlation_id": "drop-2",
        "causation_id": "event-2",
        "data_classification": "restricted",
    }


def test_before_the_model_server_was_heard_of_no_table_is_shown(canary: World) -> None:
    canary.report(canary.saw(1, 180), canary.saw(2, 19))
    canary.server.stop()
    with pytest.raises(ModelServerAway):
        canary.restart()
    canary.rollback()

    assert canary.board.next_after(-1, timeout_seconds=0) is None


def test_a_decision_while_the_model_server_restarts_takes_no_route_away(canary: World) -> None:
    canary.server.forget()
    canary.rollback()

    assert canary.route.stable_version == 1


def test_a_clock_that_is_set_back_costs_no_more_than_the_step(canary: World) -> None:
    canary.pass_seconds(-3600)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))

    assert canary.state.candidate_share == 0.5
