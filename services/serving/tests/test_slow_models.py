"""Rules of models that take too long: they are withdrawn, and no other is for what they did."""

import threading
from collections.abc import Iterator

import pytest
from serving_world import World

from tidemill_contracts.events import ModelDeployed, ModelWithdrawn
from tidemill_runtime.consumer import RetryLater
from tidemill_serving import model_server


@pytest.fixture
def stuck(world: World) -> Iterator[World]:
    """A model server that still loads version 2, which was too slow."""
    world.bless(1)
    world.server.loading.add(("m", 2))
    yield world
    world.server.loading.clear()


def test_a_model_that_answers_golden_rows_too_late_is_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "CALL_SECONDS", 1)
    world.bless(1)
    answer = threading.Event()

    def double_late(x: float) -> float:
        answer.wait(10)
        return x * 2.0

    world.server.models["m", 2] = double_late
    told = world.bless_broken(2)
    answer.set()

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "predict-failed"
    assert "after 1 s" in told.reason.message
    assert world.route.stable_version == 1


def test_a_model_that_loads_too_long_is_withdrawn(stuck: World) -> None:
    told = stuck.bless(2)

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "load-failed"
    assert told.reason.message == "expected a reload within 1 s, it goes on"
    assert stuck.route.stable_version == 1


def test_a_model_that_the_server_has_not_come_to_waits_for_it(stuck: World) -> None:
    stuck.bless(2)

    with pytest.raises(RetryLater, match="goes on"):
        stuck.bless(3)
    stuck.server.loading.clear()

    assert isinstance(stuck.bless(3), ModelDeployed)
    assert stuck.server.versions == {"m": {1, 3}}


def test_a_first_model_that_loads_too_long_is_unloaded_later(world: World) -> None:
    world.server.loading.add(("m", 1))
    assert isinstance(world.bless(1), ModelWithdrawn)
    world.server.loading.clear()

    world.parts.releases.reconcile()

    assert world.server.versions == {}
