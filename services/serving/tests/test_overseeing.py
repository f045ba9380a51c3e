"""Rules of what goes on beside: reports judged as they come, decisions told, observations kept."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from serving_world import World, blessed, until

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn, ReleaseStepped
from tidemill_contracts.pb.routes_pb2 import GatewayReport, WatchRequest
from tidemill_contracts.pb.routes_pb2_grpc import RoutesStub, add_RoutesServicer_to_server
from tidemill_contracts.serving_spec import Serving
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.telling import Cause, Teller
from tidemill_serving.current_specs import CurrentSpecs
from tidemill_serving.handlers import Deploy
from tidemill_serving.overseeing import keep_judged, keep_told
from tidemill_serving.routes import RoutesService

ROLLOUT = "{strategy: canary, steps: [0.1, 0.5], stepSeconds: 60, minRequests: 20}"


class Listener(Teller):
    """Hears what is told, except while it is away."""

    def __init__(self) -> None:
        self.heard: list[tuple[EventData, Cause]] = []
        self.is_away = False

    def tell(self, data: EventData, cause: Cause) -> None:
        if self.is_away:
            raise ConnectionError("away")
        self.heard.append((data, cause))


@pytest.fixture
def canary(world: World) -> World:
    world.spec(ROLLOUT)
    world.bless(1)
    world.bless(2)
    return world


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def stub(canary: World, listener: Listener) -> Iterator[RoutesStub]:
    """The Routes service of a process whose threads run."""
    stop = threading.Event()
    switch = canary.parts.switch
    threads = [
        threading.Thread(target=keep_judged, args=(canary.parts.overseer, switch.sightings, stop)),
        threading.Thread(target=keep_told, args=(switch, listener, stop)),
    ]
    control = grpc.server(ThreadPoolExecutor(4))
    add_RoutesServicer_to_server(RoutesService(canary.board, switch.sightings.take), control)
    port = control.add_insecure_port("127.0.0.1:0")
    control.start()
    for thread in threads:
        thread.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield RoutesStub(channel)
    control.stop(None)
    stop.set()
    for thread in threads:
        thread.join(30)


def test_a_bad_version_is_gone_from_the_gateways_after_the_report_that_shows_it(
    canary: World, stub: RoutesStub, listener: Listener
) -> None:
    tables = stub.Watch(WatchRequest(gateway="g"), timeout=30)
    assert len(next(tables).routes[0].variants) == 2
    observed = [canary.saw(1, 45), canary.saw(2, 5, errors=5)]
    stub.Report(GatewayReport(gateway="g", number=1, observed=observed), timeout=30)
    table = next(tables)
    tables.cancel()

    assert not table.routes[0].variants
    until(lambda: listener.heard)
    data, cause = listener.heard[0]
    assert isinstance(data, ModelWithdrawn)
    assert cause == Cause("drop-2", "event-2", "restricted")


def test_what_was_seen_is_kept_and_a_report_that_comes_again_after_a_restart_is_known(
    canary: World, stub: RoutesStub
) -> None:
    report = GatewayReport(gateway="g", number=1, observed=[canary.saw(1, 90), canary.saw(2, 10)])
    stub.Report(report, timeout=30)
    until(lambda: canary.store.list(layout.observations("m")))
    canary.restart()
    canary.parts.switch.sightings.take(report)

    assert [each.requests for each in canary.state.variants] == [10, 90]


def test_decisions_that_could_not_be_told_are_told_later_in_order_and_once(
    canary: World, listener: Listener
) -> None:
    listener.is_away = True
    canary.pass_seconds(60)
    canary.report(canary.saw(1, 180), canary.saw(2, 20))
    canary.report(canary.saw(1, 45), canary.saw(2, 5, errors=5))
    with pytest.raises(ConnectionError):
        canary.parts.switch.tell(listener)
    canary.restart()
    listener.is_away = False
    canary.parts.switch.tell(listener)
    canary.parts.switch.tell(listener)

    first, second = (data for data, _ in listener.heard)
    assert isinstance(first, ReleaseStepped)
    assert isinstance(second, ModelWithdrawn)
    assert canary.untold == []


def test_observations_that_cannot_be_read_are_begun_anew(canary: World) -> None:
    canary.store.write(layout.observations("m"), b"{")
    canary.restart()
    canary.report(canary.saw(2, 3))

    assert canary.state.variants[0].requests == 3


def test_a_deployment_that_was_written_before_there_were_releases_is_understood(world: World) -> None:
    world.server.models["m", 1] = world.server.models["m", 2] = lambda x: x * 2.0
    document = (
        '{"pipeline":"m","stable":{"version":2,"model_id":"id-2"},"previous":{"version":1,"model_id":"id-1"},'
        '"replaced":{"1":null,"2":1},"withdrawn":{"3":{"code":"load-failed","message":"corrupt"}}}'
    )
    world.store.write(layout.deployment("m"), document.encode())
    world.restart()
    again = world.bless(2)

    assert isinstance(again, ModelDeployed)
    assert (again.release, again.replaces, again.subject) == (0, 1, "pipelines/m/models/id-2")
    assert isinstance(world.bless_broken(3), ModelWithdrawn)
    assert world.rollback().stable_version == 1


def test_reports_of_models_that_nobody_deployed_leave_nothing_behind(world: World) -> None:
    world.bless(1)
    strange = world.saw(1, 5)
    strange.model = "strange"
    world.report(strange)
    world.parts.switch.sightings.save(all_of_them=True)

    assert world.store.list("observations/") == []


def test_observations_that_cannot_be_written_keep_no_others_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.server.models["a", 1] = lambda x: x * 2.0
    list(Deploy(world.store, world.parts.releases)(blessed(world.store, 1, pipeline="a")))
    world.bless(1)
    of_a = world.saw(1, 5)
    of_a.model = "a"
    world.report(of_a, world.saw(1, 5))
    write = FolderStore.write

    def fail_for_a(store: FolderStore, name: str, data: bytes) -> None:
        if name == layout.observations("a"):
            raise OSError("expected fewer writes of one object")
        write(store, name, data)

    monkeypatch.setattr(FolderStore, "write", fail_for_a)
    with pytest.raises(OSError, match="fewer"):
        world.parts.switch.sightings.save()
    world.parts.switch.sightings.save()

    assert world.store.list("observations/") == [layout.observations("m")]


def test_the_trouble_of_one_release_holds_up_no_other(canary: World, monkeypatch: pytest.MonkeyPatch) -> None:
    canary.server.models["a", 1] = canary.server.models["a", 2] = lambda x: x * 2.0
    spec = f"metadata: {{name: a}}\nspec: {{label: late, serving: {{rollout: {ROLLOUT}}}}}"
    canary.store.write(layout.pipeline_spec("a"), spec.encode())
    for version in (1, 2):
        list(Deploy(canary.store, canary.parts.releases)(blessed(canary.store, version, pipeline="a")))
    serving = CurrentSpecs.serving

    def fail_for_a(specs: CurrentSpecs, pipeline: str) -> Serving:
        if pipeline == "a":
            raise OSError("expected a spec, the bucket is late")
        return serving(specs, pipeline)

    judging = canary.parts.switch.get("a").release
    monkeypatch.setattr(CurrentSpecs, "serving", fail_for_a)
    observed = [canary.saw(1, 45), canary.saw(2, 5, errors=5)]
    canary.report(*observed)

    assert judging is not None
    assert canary.parts.switch.get("m").release is None


def test_what_could_not_be_stored_is_decided_again_at_the_next_turn(
    canary: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = FolderStore.write

    def fail_once(store: FolderStore, name: str, data: bytes) -> None:
        monkeypatch.setattr(FolderStore, "write", write)
        raise OSError("expected a disk, found none")

    monkeypatch.setattr(FolderStore, "write", fail_once)
    canary.report(canary.saw(1, 45), canary.saw(2, 5, errors=5))
    assert canary.route.release == 2
    canary.parts.overseer.judge()

    assert canary.route.release == 0
