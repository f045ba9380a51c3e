"""Rules of models beside each other: none waits for what another takes, nor for a server that is busy."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from model_server_fake import FakeModelServer
from serving_world import World, blessed, until

from tidemill_contracts.event import EventData
from tidemill_contracts.events import ModelDeployed
from tidemill_runtime.folder import FolderStore
from tidemill_serving import holding
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.handlers import Deploy
from tidemill_serving.model_server import ModelServer


def double(x: float) -> float:
    return x * 2.0


def deploy(world: World, version: int, pipeline: str) -> EventData:
    (event,) = Deploy(world.store, world.parts.releases)(blessed(world.store, version, pipeline=pipeline))
    return event


def reconciled(world: World) -> list[str]:
    world.parts.releases.reconcile()
    return routes(world)


def routes(world: World) -> list[str]:
    table = world.board.next_after(-1, timeout_seconds=0)
    return [route.model for route in table.routes] if table else []


@contextmanager
def loading_slowly(world: World) -> Iterator[Future[EventData]]:
    """Have version 2 of another model load until the block ends."""
    world.server.models["slow", 1] = world.server.models["slow", 2] = double
    deploy(world, 1, "slow")
    world.server.loading.add(("slow", 2))
    with ThreadPoolExecutor(1) as other:
        deploying = other.submit(deploy, world, 2, "slow")
        try:
            until(lambda: 2 in world.server.versions["slow"])
            yield deploying
        finally:
            world.server.loading.clear()


def test_while_a_model_loads_another_is_deployed_promoted_and_rolled_back(world: World) -> None:
    world.spec("{strategy: canary}")
    with loading_slowly(world) as slow:
        world.bless(1)
        world.bless(2)
        promoted = world.promote()
        rolled_back = world.rollback()
        again = world.parts.by_hand.promote("m", 2, "")
        is_loading = not slow.done()

    assert is_loading
    assert [each.stable_version for each in (promoted, rolled_back, again)] == [2, 1, 2]
    assert isinstance(slow.result(), ModelDeployed)


def test_while_a_model_loads_what_a_restarted_server_lost_is_loaded_again(world: World) -> None:
    world.bless(1)
    with loading_slowly(world) as slow:
        world.server.forget()
        world.parts.releases.reconcile()
        versions = world.server.versions
        is_loading = not slow.done()

    assert is_loading
    assert versions == {"m": {1}, "slow": {1, 2}}
    assert isinstance(slow.result(), ModelDeployed)


def test_routes_stay_while_a_restarted_server_has_time_to_load(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "HOLD_SECONDS", 0.1)
    world.bless(1)
    world.server.forget()
    world.server.loading.add(("m", 1))

    try:
        until(lambda: reconciled(world) and world.server.reloading)
        assert reconciled(world) == ["m"]

        world.give_seconds(0)
        until(lambda: reconciled(world) == [])
    finally:
        world.server.loading.clear()


def test_of_each_model_a_turn_asks_once(world: World, server: FakeModelServer) -> None:
    server.models["other", 1] = double
    deploy(world, 1, "other")
    world.bless(1)
    server.asked.clear()

    world.parts.releases.reconcile()

    assert server.asked == {"m": 1, "other": 1}


def test_a_blessing_that_is_told_twice_at_once_is_one_release(world: World) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def double_later(x: float) -> float:
        asked.set()
        assert go_on.wait(30)
        return x * 2.0

    world.server.models["m", 1] = double_later
    with ThreadPoolExecutor(2) as others:
        first = others.submit(deploy, world, 1, "m")
        assert asked.wait(30)
        asked.clear()
        second = others.submit(deploy, world, 1, "m")
        # It is not asked again; were it, that would be seen here, or missed without harm.
        asked.wait(1)
        go_on.set()

    told = [each.result() for each in (first, second)]
    assert [each.release for each in told if isinstance(each, ModelDeployed)] == [1, 1]


def test_a_client_that_was_let_go_of_is_one_that_is_away(server: FakeModelServer) -> None:
    client = ModelServer(f"127.0.0.1:{server.port}", load_timeout_seconds=30)
    client.close()

    with pytest.raises(ModelServerAway, match="closed"):
        client.check()


def test_model_servers_are_looked_after_while_the_bucket_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bless(1)
    world.server.forget()

    def fail(store: FolderStore, name: str) -> bytes:
        raise OSError(f"expected {name}, the bucket is away")

    monkeypatch.setattr(FolderStore, "read", fail)
    with pytest.raises(OSError, match="is away"):
        world.parts.releases.reconcile()

    assert world.server.labels == {"m": {"stable": 1}}
