"""Rules of models that take too long: they are withdrawn, and no other is for what they did."""

import threading

import pytest
from serving_world import World, blessed, until

from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_runtime.consumer import RetryLater
from tidemill_serving import model_server
from tidemill_serving.handlers import Deploy

# Longer than a process may be held up that shares its processor.
LOAD_SECONDS = 4


def test_a_model_that_answers_golden_rows_too_late_is_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "CALL_SECONDS", LOAD_SECONDS)
    world.bless(1)
    answer = threading.Event()

    def double_late(x: float) -> float:
        answer.wait(30)
        return x * 2.0

    world.server.models["m", 2] = double_late
    told = world.bless_broken(2)
    answer.set()

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "predict-failed"
    assert "after 4 s" in told.reason.message
    assert world.route.stable_version == 1


def test_a_model_that_loads_too_long_is_withdrawn(world: World) -> None:
    world.bless(1)
    world.give_seconds(LOAD_SECONDS)
    world.server.loading.add(("m", 2))

    told = world.bless(2)

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "load-failed"
    assert told.reason.message == "expected m version 2 AVAILABLE, received LOADING: no error"
    assert world.route.stable_version == 1


def test_a_first_model_that_loads_too_long_is_withdrawn_and_unloaded_later(world: World) -> None:
    world.give_seconds(LOAD_SECONDS)
    world.server.loading.add(("m", 1))

    told = world.bless(1)
    world.server.loading.clear()
    until(lambda: not world.server.reloading)
    world.parts.releases.reconcile()

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.message == "expected a reload within 4 s, it goes on"
    assert world.server.versions == {}


def test_a_model_that_the_server_has_not_come_to_waits_for_it(world: World) -> None:
    world.bless(1)
    world.give_seconds(LOAD_SECONDS)
    world.server.loading.add(("slow", 1))
    (slow,) = Deploy(world.store, world.parts.releases)(blessed(world.store, 1, pipeline="slow"))

    with pytest.raises(RetryLater, match="goes on"):
        world.bless(2)
    world.server.loading.clear()
    until(lambda: not world.server.reloading)
    world.give_seconds(30)

    assert isinstance(slow, ModelWithdrawn)
    assert isinstance(world.bless(2), ModelDeployed)
    assert world.server.versions == {"m": {1, 2}}
