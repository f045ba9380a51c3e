"""Rules of what people ask: promoted and rolled back at once, over the real gRPC service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import grpc
import pytest
from serving_world import World

from tidemill_contracts import layout
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_contracts.pb.routes_pb2 import ReleaseRequest
from tidemill_contracts.pb.routes_pb2_grpc import ReleasesStub, add_ReleasesServicer_to_server
from tidemill_serving.errors import NotNow
from tidemill_serving.releases_service import ReleasesService

ROLLOUT = "{strategy: canary, steps: [0.1, 0.5], stepSeconds: 60, minRequests: 20}"


@pytest.fixture
def stub(world: World) -> Iterator[ReleasesStub]:
    control = grpc.server(ThreadPoolExecutor(2))
    add_ReleasesServicer_to_server(ReleasesService(world.parts.by_hand), control)
    port = control.add_insecure_port("127.0.0.1:0")
    control.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ReleasesStub(channel)
    control.stop(None)


def canary(world: World) -> None:
    world.spec(ROLLOUT)
    world.bless(1)
    world.bless(2)


def test_a_canary_is_promoted_when_someone_says_so(world: World, stub: ReleasesStub) -> None:
    canary(world)
    state = stub.Promote(ReleaseRequest(model="m", reason="looks good"), timeout=30)

    assert (state.stable_version, state.previous_version, state.candidate_version) == (2, 1, 0)
    assert world.route.stable_version == 2
    (event,) = world.untold
    assert isinstance(event, ModelDeployed)
    assert (event.label, event.version, event.release) == ("stable", 2, 2)


def test_a_canary_is_rolled_back_and_says_by_whom(world: World, stub: ReleasesStub) -> None:
    canary(world)
    world.report(world.saw(2, 7))
    state = stub.Rollback(ReleaseRequest(model="m", reason="ann: complaints"), timeout=30)

    assert (state.stable_version, state.candidate_version) == (1, 0)
    (event,) = world.untold
    assert isinstance(event, ModelWithdrawn)
    assert (event.reason.code, event.reason.message, event.answers) == ("rolled-back", "ann: complaints", 7)


def test_the_stable_version_is_rolled_back_to_the_one_before(world: World, stub: ReleasesStub) -> None:
    world.bless(1)
    world.bless(2)
    world.report(world.saw(2, 9, errors=2))
    state = stub.Rollback(ReleaseRequest(model="m"), timeout=30)
    world.parts.releases.reconcile()

    assert (state.stable_version, state.previous_version) == (1, 0)
    assert world.route.stable_version == 1
    assert (world.server.versions, world.server.labels) == ({"m": {1}}, {"m": {"stable": 1}})
    withdrawn, deployed = world.untold
    assert isinstance(withdrawn, ModelWithdrawn)
    assert (withdrawn.version, withdrawn.answers, withdrawn.failures) == (2, 7, 2)
    assert isinstance(deployed, ModelDeployed)
    assert (deployed.version, deployed.replaces, deployed.release) == (1, 2, 3)


def test_a_rolled_back_version_stays_so_when_its_blessing_comes_again(world: World) -> None:
    world.bless(1)
    world.bless(2)
    world.rollback()

    assert isinstance(world.bless(2), ModelWithdrawn)
    assert world.route.stable_version == 1


def test_the_stable_version_is_rolled_back_under_a_canary_which_begins_anew(
    world: World, stub: ReleasesStub
) -> None:
    world.bless(1)
    world.bless(2)
    world.spec(ROLLOUT)
    world.bless(3)
    world.report(world.saw(2, 190), world.saw(3, 10))
    state = stub.Rollback(ReleaseRequest(model="m", version=2), timeout=30)

    assert (state.stable_version, state.candidate_version) == (1, 3)
    assert [variant.requests for variant in state.variants] == [0, 0]


def test_a_withdrawn_version_can_be_promoted_after_all_and_is_told_as_a_new_release(
    world: World, stub: ReleasesStub
) -> None:
    canary(world)
    world.rollback()
    world.parts.releases.reconcile()
    assert world.server.versions == {"m": {1}}
    world.server.still_ended["m", 2] = 3
    stub.Promote(ReleaseRequest(model="m", version=2), timeout=30)

    assert world.route.stable_version == 2
    event = world.untold[-1]
    assert isinstance(event, ModelDeployed)
    assert (event.version, event.release) == (2, 3)
    assert isinstance(world.bless(2), ModelDeployed)


def test_a_version_that_is_released_again_is_counted_anew(world: World) -> None:
    canary(world)
    world.report(world.saw(2, 7))
    world.rollback()
    world.parts.by_hand.promote("m", 2, "")
    world.report(world.saw(2, 5))
    world.rollback()

    withdrawn = [event for event in world.untold if isinstance(event, ModelWithdrawn)]
    assert [event.answers for event in withdrawn] == [7, 5]


def test_a_version_that_cannot_serve_is_not_promoted(world: World, stub: ReleasesStub) -> None:
    canary(world)
    world.rollback()
    world.parts.releases.reconcile()
    world.server.models["m", 2] = lambda x: x * 3.0

    with pytest.raises(grpc.RpcError, match="golden-mismatch"):
        stub.Promote(ReleaseRequest(model="m", version=2), timeout=30)
    assert world.route.stable_version == 1


def test_promoting_what_serves_already_changes_nothing(world: World, stub: ReleasesStub) -> None:
    world.bless(1)
    stub.Promote(ReleaseRequest(model="m", version=1), timeout=30)

    assert world.untold == []


def test_promoting_twice_keeps_the_way_back(world: World, stub: ReleasesStub) -> None:
    canary(world)
    with ThreadPoolExecutor(2) as callers:
        asks = [callers.submit(stub.Promote, ReleaseRequest(model="m", version=2), timeout=30) for _ in "12"]
        states = [ask.result() for ask in asks]

    assert {(state.stable_version, state.previous_version) for state in states} == {(2, 1)}


def test_a_pipeline_that_is_deleted_while_a_version_loads_is_not_brought_back(
    world: World, stub: ReleasesStub
) -> None:
    canary(world)
    world.rollback()
    world.parts.releases.reconcile()

    def delete_and_double(x: float) -> float:
        world.store.delete(layout.pipeline_spec("m"))
        world.parts.releases.delete("m", world.now)
        return x * 2.0

    world.server.models["m", 2] = delete_and_double
    with pytest.raises(grpc.RpcError) as caught:
        stub.Promote(ReleaseRequest(model="m", version=2), timeout=30)

    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert world.parts.switch.get("m").versions() == []


@pytest.mark.parametrize("call", ["Promote", "Rollback"])
def test_of_a_pipeline_that_is_declared_no_longer_nothing_is_changed(
    world: World, stub: ReleasesStub, call: str
) -> None:
    canary(world)
    world.store.delete(layout.pipeline_spec("m"))

    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, call)(ReleaseRequest(model="m"), timeout=30)

    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert world.parts.switch.get("m").versions() == [1, 2]


@pytest.mark.parametrize(
    ("call", "request_", "code", "says"),
    [
        ("Get", ReleaseRequest(model="x"), grpc.StatusCode.NOT_FOUND, "received 'x'"),
        ("Promote", ReleaseRequest(model="m"), grpc.StatusCode.FAILED_PRECONDITION, "a version to promote"),
        ("Promote", ReleaseRequest(model="m", version=7), grpc.StatusCode.FAILED_PRECONDITION, "received 7"),
        ("Rollback", ReleaseRequest(model="m"), grpc.StatusCode.FAILED_PRECONDITION, "before 1 to go back"),
        ("Rollback", ReleaseRequest(model="m", version=7), grpc.StatusCode.FAILED_PRECONDITION, "received 7"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_was_expected(
    world: World, stub: ReleasesStub, call: str, request_: ReleaseRequest, code: grpc.StatusCode, says: str
) -> None:
    world.bless(1)

    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, call)(request_, timeout=30)
    assert caught.value.code() == code
    assert says in str(caught.value.details())


def test_the_state_of_a_release_tells_both_variants_and_every_test(world: World, stub: ReleasesStub) -> None:
    canary(world)
    world.report(world.saw(1, 180), world.saw(2, 20, errors=1))
    state = stub.Get(ReleaseRequest(model="m"), timeout=30)

    assert (state.strategy, state.candidate_share, state.started_at) == (
        "canary",
        0.1,
        "2026-01-01T12:00:00+00:00",
    )
    assert [(each.name, each.version, each.requests, each.errors) for each in state.variants] == [
        ("canary", 2, 20, 1),
        ("stable", 1, 180, 0),
    ]
    assert all(0.0005 < each.p50_seconds < each.p99_seconds < 0.00064 for each in state.variants)
    assert [text.partition(":")[0] for text in state.findings] == [
        "unsound",
        "errors",
        "latency",
        "answers",
        "rewards",
    ]


def test_a_release_that_ends_while_someone_promotes_it_stays_ended(world: World) -> None:
    canary(world)
    with ThreadPoolExecutor(1) as others:
        with world.parts.switch.deciding("m"):
            promoting = others.submit(world.promote)
            # Long enough for it to be at the decision; if it is later, it finds the same.
            wait([promoting], timeout=0.5)
            world.rollback()
        with pytest.raises(NotNow, match="that goes on"):
            promoting.result()

    assert world.route.stable_version == 1


def test_a_version_that_is_no_longer_in_the_bucket_is_not_promoted(world: World, stub: ReleasesStub) -> None:
    canary(world)
    world.rollback()
    world.store.delete(layout.model_manifest("m", "id-2"))

    with pytest.raises(grpc.RpcError) as caught:
        stub.Promote(ReleaseRequest(model="m", version=2), timeout=30)

    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "no longer in the bucket" in str(caught.value.details())
