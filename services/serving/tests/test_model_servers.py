"""Rules of several model servers: all hold the same, and gateways are led to one that has it and answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from model_server_fake import FakeModelServer
from serving_world import Feedback, blessed, until

from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_contracts.pb.routes_pb2 import Route, RouteTable
from tidemill_runtime.folder import FolderStore
from tidemill_serving import holding
from tidemill_serving.assembly import assemble
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.handlers import Deploy
from tidemill_serving.model_servers import ModelServers, addresses
from tidemill_serving.routes import RouteBoard


class Fleet:
    """Model servers behind one name, of which more may come and some may go."""

    def __init__(self, folder: Path) -> None:
        self.stack = ExitStack()
        self.store = FolderStore(folder)
        self.servers: list[FakeModelServer] = []
        self.is_resolved = True
        self.clients = ModelServers("dns:///models:8500", load_timeout_seconds=30, find=self._find)
        self.stack.callback(self.clients.close)
        self.restart()

    def restart(self) -> None:
        """Be a new serving process beside the same model servers."""
        self.board = RouteBoard()
        self.releases = assemble(self.store, self.clients, self.board, Feedback()).releases

    def start(self, *versions: int) -> FakeModelServer:
        """Start a server that can load these versions of `m`, and nothing else."""
        server = FakeModelServer()
        server.models = {("m", version): lambda x: x * 2.0 for version in versions}
        server.start()
        self.stack.callback(server.stop)
        self.servers.append(server)
        return server

    def deploy(self, version: int, pipeline: str = "m") -> object:
        (event,) = Deploy(self.store, self.releases)(blessed(self.store, version, pipeline=pipeline))
        return event

    @contextmanager
    def reconciling(self) -> Iterator[RouteTable]:
        """Show the next table while models load; they are loaded when the block ends."""
        before = self.board.next_after(-1, timeout_seconds=0)
        with ThreadPoolExecutor(1) as other:
            reconciling = other.submit(self.releases.reconcile)
            try:
                table = self.board.next_after(before.revision if before else -1, timeout_seconds=30)
                assert table is not None, "nothing was shown while models load"
                yield table
            finally:
                for server in self.servers:
                    server.loading.clear()
            reconciling.result()

    @property
    def route(self) -> Route:
        table = self.board.next_after(-1, timeout_seconds=0)
        assert table is not None
        [route] = table.routes
        return route

    def _find(self, host: str, port: int) -> list[str]:
        assert (host, port) == ("models", 8500)
        if not self.is_resolved:
            raise OSError("no name server answers")
        return [address(server) for server in self.servers]


def address(server: FakeModelServer) -> str:
    return f"127.0.0.1:{server.port}"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "bucket")
    with fleet.stack:
        yield fleet


def test_every_server_loads_what_is_deployed(fleet: Fleet) -> None:
    first, second = fleet.start(1), fleet.start(1)

    fleet.deploy(1)

    assert first.versions == second.versions == {"m": {1}}
    assert first.labels == second.labels == {"m": {"stable": 1}}
    assert fleet.route.address in (address(first), address(second))


def test_a_version_that_one_of_them_cannot_load_is_answered_by_the_other(fleet: Fleet) -> None:
    servers = {address(server): server for server in (fleet.start(1), fleet.start(1))}
    fleet.deploy(1)
    other = next(server for each, server in servers.items() if each != fleet.route.address)
    other.models["m", 2] = lambda x: x * 2.0

    assert isinstance(fleet.deploy(2), ModelDeployed)
    assert (fleet.route.stable_version, fleet.route.address) == (2, address(other))


def test_a_version_that_none_of_them_can_load_is_withdrawn(fleet: Fleet) -> None:
    fleet.start(1)
    fleet.start(1)
    fleet.deploy(1)

    event = fleet.deploy(2)

    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "load-failed"
    assert fleet.route.stable_version == 1


def test_a_version_that_answers_otherwise_at_one_of_them_is_withdrawn(fleet: Fleet) -> None:
    fleet.start(1)
    fleet.start(1).models["m", 1] = lambda x: x * 3.0

    event = fleet.deploy(1)

    assert isinstance(event, ModelWithdrawn)
    assert event.reason.code == "golden-mismatch"


@pytest.mark.parametrize("code", ["UNKNOWN", "INTERNAL", "UNIMPLEMENTED"])
def test_one_that_answers_with_errors_alone_stops_no_release(fleet: Fleet, code: str) -> None:
    servers = {address(server): server for server in (fleet.start(1, 2), fleet.start(1, 2))}
    fleet.deploy(1)
    before = fleet.route.address
    servers[before].fails_with = grpc.StatusCode[code]

    assert isinstance(fleet.deploy(2), ModelDeployed)
    assert fleet.route.address in servers.keys() - {before}


def test_one_that_lost_its_models_is_led_away_from_before_it_has_loaded_them(fleet: Fleet) -> None:
    servers = {address(server): server for server in (fleet.start(1, 2), fleet.start(1, 2))}
    fleet.deploy(1)
    fleet.deploy(2)
    lost = servers.pop(fleet.route.address)
    [(address_of_other, other)] = servers.items()
    lost.forget()
    lost.loading.add(("m", 2))
    other.versions = {"m": {2}}
    other.loading.add(("m", 1))

    with fleet.reconciling() as table:
        assert [route.address for route in table.routes] == [address_of_other]
    assert lost.versions == other.versions == {"m": {1, 2}}


def test_a_restarted_serving_process_shows_what_each_has_while_one_loads(fleet: Fleet) -> None:
    loading, other = fleet.start(1, 2), fleet.start(1, 2)
    loading.models["other", 1] = loading.models["m", 1]
    fleet.deploy(1)
    fleet.deploy(2)
    fleet.deploy(1, pipeline="other")
    loading.versions = {"other": {1}}
    loading.loading.add(("m", 2))

    fleet.restart()
    with fleet.reconciling() as table:
        shown = {route.model: route.address for route in table.routes}
    assert shown == {"m": address(other), "other": address(loading)}


def test_while_one_loads_what_it_lost_the_others_get_what_is_blessed(fleet: Fleet) -> None:
    lost, other = fleet.start(1, 2), fleet.start(1, 2)
    fleet.deploy(1)
    lost.forget()
    lost.loading.add(("m", 1))
    with ThreadPoolExecutor(1) as threads:
        reconciling = threads.submit(fleet.releases.reconcile)
        try:
            until(lambda: lost.reloading)
            before = lost.reloads
            told = fleet.deploy(2)
            shown, asked_again = fleet.route, lost.reloads - before
        finally:
            lost.loading.clear()
        reconciling.result()

    assert not asked_again, "it was waited for"
    assert isinstance(told, ModelDeployed)
    assert (shown.stable_version, shown.address) == (2, address(other))


def test_while_one_loads_what_it_lost_the_others_are_looked_after(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "HOLD_SECONDS", 1)
    lost, other = fleet.start(1), fleet.start(1)
    fleet.deploy(1)
    lost.forget()
    lost.loading.add(("m", 1))

    def reconciled() -> bool:
        fleet.releases.reconcile()
        return True

    try:
        until(lambda: reconciled() and lost.reloading)
        before = lost.reloads
        other.forget()
        until(lambda: reconciled() and other.labels == {"m": {"stable": 1}})
        assert lost.reloads == before, "it was waited for"
    finally:
        lost.loading.clear()


def test_while_a_name_is_not_resolved_the_known_servers_are_looked_after(fleet: Fleet) -> None:
    server = fleet.start(1)
    fleet.deploy(1)
    server.forget()
    fleet.is_resolved = False

    fleet.releases.reconcile()

    assert server.labels == {"m": {"stable": 1}}


def test_a_new_server_is_led_to_only_once_it_has_the_models(fleet: Fleet) -> None:
    old = fleet.start(1)
    fleet.deploy(1)
    # Of so many one would be preferred to the old one, if it had the model.
    new = [fleet.start() for _ in range(8)]
    fleet.releases.reconcile()
    assert fleet.route.address == address(old)

    new[0].models["m", 1] = old.models["m", 1]
    fleet.servers = new
    fleet.releases.reconcile()

    assert fleet.route.address == address(new[0])


def test_a_server_that_goes_is_led_away_from_while_it_still_answers(fleet: Fleet) -> None:
    first = fleet.start(1)
    fleet.deploy(1)
    second = fleet.start(1)
    fleet.releases.reconcile()

    fleet.servers.remove(first)
    fleet.releases.reconcile()

    assert fleet.route.address == address(second)
    assert first.versions == {"m": {1}}, "it was told to unload nothing: requests may be on their way"


def test_a_server_that_does_not_answer_is_led_away_from(fleet: Fleet) -> None:
    servers = {address(server): server for server in (fleet.start(1), fleet.start(1))}
    fleet.deploy(1)
    before = fleet.route.address

    servers[before].stop()
    fleet.releases.reconcile()

    assert fleet.route.address in servers.keys() - {before}


def test_while_all_are_away_routes_stay(fleet: Fleet) -> None:
    fleet.start(1)
    fleet.start(1)
    fleet.deploy(1)
    before = fleet.route
    for server in fleet.servers:
        server.stop()

    with pytest.raises(ModelServerAway):
        fleet.releases.reconcile()
    assert fleet.route == before
    with pytest.raises(ModelServerAway):
        fleet.clients.check()


def test_it_is_ready_while_one_answers(fleet: Fleet) -> None:
    with pytest.raises(ModelServerAway, match="found none"):
        fleet.clients.check()
    fleet.start().stop()
    fleet.start()
    fleet.releases.reconcile()

    fleet.clients.check()


def test_a_name_that_is_not_known_is_no_more_than_servers_being_away(tmp_path: Path) -> None:
    clients = ModelServers("dns:///tidemill.invalid:8500", load_timeout_seconds=1)

    with pytest.raises(ModelServerAway, match="behind tidemill"):
        clients.members()


def test_every_address_behind_a_name_is_found() -> None:
    assert addresses("localhost", 8500) == ["127.0.0.1:8500"]
