"""Rules of releases: what serves was verified, what fails never serves, and restarts change nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from model_server_fake import FakeModelServer
from serving_world import Feedback, blessed, until

from tidemill_contracts.event import EventData
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_contracts.pb.routes_pb2 import GatewayReport, Route, WatchRequest
from tidemill_contracts.pb.routes_pb2_grpc import RoutesStub, add_RoutesServicer_to_server
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.folder import FolderStore
from tidemill_serving.assembly import assemble
from tidemill_serving.handlers import Deploy
from tidemill_serving.model_servers import ModelServers
from tidemill_serving.releases import Releases
from tidemill_serving.routes import RouteBoard, RoutesService


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


@pytest.fixture
def server() -> Iterator[FakeModelServer]:
    server = FakeModelServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def board() -> RouteBoard:
    return RouteBoard()


@pytest.fixture
def releases(store: FolderStore, server: FakeModelServer, board: RouteBoard) -> Iterator[Releases]:
    client = ModelServers(f"127.0.0.1:{server.port}", load_timeout_seconds=30)
    yield assemble(store, client, board, Feedback()).releases
    client.close()


@pytest.fixture
def deploy(store: FolderStore, releases: Releases) -> Deploy:
    return Deploy(store, releases)


def one(events: Iterator[EventData]) -> EventData:
    (event,) = events
    return event


def shown(board: RouteBoard) -> list[Route]:
    table = board.next_after(-1, timeout_seconds=0)
    assert table is not None
    return list(table.routes)


def double(x: object) -> object:
    return x * 2.0  # type: ignore[operator]


def test_a_blessed_model_is_loaded_verified_labelled_and_routed(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    server.models["m", 1] = double
    event = one(deploy(blessed(store, 1)))

    assert isinstance(event, ModelDeployed)
    assert (event.version, event.replaces) == (1, None)
    assert server.labels == {"m": {"stable": 1}}
    (route,) = shown(board)
    assert (route.model, route.stable_version, list(route.loaded_versions)) == ("m", 1, [1])


def test_the_version_before_stays_loaded_and_the_one_before_that_does_not(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    for version in (1, 2, 3):
        server.models["m", version] = double
        event = one(deploy(blessed(store, version)))

    assert isinstance(event, ModelDeployed)
    assert event.replaces == 2
    assert server.versions == {"m": {2, 3}}
    assert shown(board)[0].stable_version == 3


def test_a_redelivered_event_tells_the_same_and_changes_nothing(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    server.models["m", 1] = double
    event = blessed(store, 1)
    first = one(deploy(event))
    reloads, deployment = server.reloads, store.read("deployments/m.json")

    again = one(deploy(event))

    assert again.model_copy(update={"seconds": 0}) == first.model_copy(update={"seconds": 0})
    assert (server.reloads, store.read("deployments/m.json")) == (reloads, deployment)


def test_a_version_that_does_not_load_is_withdrawn_and_the_old_one_serves_on(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    server.models["m", 1] = double
    one(deploy(blessed(store, 1)))
    event = one(deploy(blessed(store, 2)))

    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "load-failed"
    assert "received END: corrupt" in event.reason.message
    assert server.labels == {"m": {"stable": 1}}
    assert server.versions == {"m": {1}}
    assert shown(board)[0].stable_version == 1


def test_a_model_that_answers_otherwise_than_in_training_is_withdrawn(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    server.models["m", 1] = double
    event = one(deploy(blessed(store, 1, answer=4.001)))

    assert isinstance(event, ModelWithdrawn)
    assert event.reason.message == "output y: expected [2.0, 4.001], received [2.0, 4.0]"


def test_a_model_that_answers_nan_is_withdrawn(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    server.models["m", 1] = lambda x: x * float("nan")

    assert isinstance(one(deploy(blessed(store, 1))), ModelWithdrawn)


def test_a_decision_against_a_version_is_final(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    event = blessed(store, 1)
    first = one(deploy(event))
    server.models["m", 1] = double

    again = one(deploy(event))

    assert isinstance(first, ModelWithdrawn)
    assert isinstance(again, ModelWithdrawn)


def test_an_older_version_never_replaces_a_newer_one(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    server.models["m", 1] = server.models["m", 2] = double
    one(deploy(blessed(store, 2)))
    event = one(deploy(blessed(store, 1)))

    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "superseded"
    assert shown(board)[0].stable_version == 2


def test_while_the_model_server_is_away_the_event_waits(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    server.models["m", 1] = double
    server.stop()

    with pytest.raises(RetryLater, match="UNAVAILABLE"):
        list(deploy(blessed(store, 1)))
    assert store.list("deployments/") == []


def test_a_restarted_model_server_gets_its_models_back(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, releases: Releases
) -> None:
    server.models["m", 1] = server.models["other", 1] = double
    one(deploy(blessed(store, 1)))
    one(deploy(blessed(store, 1, pipeline="other")))
    server.forget()

    releases.reconcile()

    assert server.versions == {"m": {1}, "other": {1}}
    assert server.labels == {"m": {"stable": 1}, "other": {"stable": 1}}


def test_releasing_one_model_leaves_the_others_loaded(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    server.models["m", 1] = server.models["other", 1] = double
    one(deploy(blessed(store, 1, pipeline="other")))
    one(deploy(blessed(store, 1)))

    assert sorted(route.model for route in shown(board)) == ["m", "other"]


def test_a_restarted_serving_process_shows_the_same_routes(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    server.models["m", 1] = double
    one(deploy(blessed(store, 1)))
    board = RouteBoard()
    client = ModelServers(f"127.0.0.1:{server.port}", load_timeout_seconds=30)

    assemble(store, client, board, Feedback()).releases.reconcile()

    client.close()
    assert shown(board)[0].stable_version == 1


def test_a_watching_gateway_gets_the_table_and_every_change(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    control = grpc.server(ThreadPoolExecutor(2))
    add_RoutesServicer_to_server(RoutesService(board, lambda _: None), control)
    port = control.add_insecure_port("127.0.0.1:0")
    control.start()
    server.models["m", 1] = server.models["m", 2] = double
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = RoutesStub(channel).Watch(WatchRequest(gateway="test"), timeout=60)
        one(deploy(blessed(store, 1)))
        first = next(stream)
        one(deploy(blessed(store, 2)))
        second = next(stream)
        stream.cancel()
    control.stop(None)

    assert [first.routes[0].stable_version, second.routes[0].stable_version] == [1, 2]
    assert second.revision > first.revision


def test_more_gateways_than_there_are_threads_for_leave_some_for_other_calls(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    control = grpc.server(ThreadPoolExecutor(2))
    add_RoutesServicer_to_server(RoutesService(board, lambda _: None, max_gateways=1), control)
    port = control.add_insecure_port("127.0.0.1:0")
    control.start()
    server.models["m", 1] = double
    one(deploy(blessed(store, 1)))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = RoutesStub(channel)
        stream = stub.Watch(WatchRequest(gateway="first"), timeout=60)
        next(stream)
        with pytest.raises(grpc.RpcError, match="up to 1 gateways"):
            next(stub.Watch(WatchRequest(gateway="second"), timeout=60))
        stub.Report(GatewayReport(gateway="second", number=1), timeout=60)
        stream.cancel()
        until(lambda: watches(stub))
    control.stop(None)


def watches(stub: RoutesStub) -> bool:
    stream = stub.Watch(WatchRequest(gateway="second"), timeout=60)
    try:
        return bool(next(stream).routes)
    except grpc.RpcError:
        return False
    finally:
        stream.cancel()


def test_a_refused_configuration_is_told_again_and_nothing_falls_over(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, releases: Releases
) -> None:
    server.models["m", 1] = double
    one(deploy(blessed(store, 1)))
    server.forget()
    server.refuse_next = True

    releases.reconcile()
    releases.reconcile()

    assert server.versions == {"m": {1}}


def test_an_event_that_comes_again_much_later_is_told_as_it_was(
    store: FolderStore, server: FakeModelServer, deploy: Deploy, board: RouteBoard
) -> None:
    for version in (1, 2, 3):
        server.models["m", version] = double
        one(deploy(blessed(store, version)))

    again = one(deploy(blessed(store, 1)))

    assert isinstance(again, ModelDeployed)
    assert (again.version, again.replaces) == (1, None)
    assert shown(board)[0].stable_version == 3


def test_a_model_that_the_server_loses_while_it_is_asked_is_tried_again(
    store: FolderStore, server: FakeModelServer, deploy: Deploy
) -> None:
    def lose(_: object) -> object:
        server.forget()
        server.models["m", 1] = double
        raise RuntimeError("expected to stay, was restarted")

    server.models["m", 1] = lose
    with pytest.raises(RetryLater, match="to stay"):
        list(deploy(blessed(store, 1)))

    assert isinstance(one(deploy(blessed(store, 1))), ModelDeployed)
