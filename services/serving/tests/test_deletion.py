"""Rules of deleted pipelines: their model answers no more, and nothing old brings it back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from model_server_fake import FakeModelServer
from serving_world import NOON, World, blessed

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn, PipelineDeleted
from tidemill_contracts.manifest import Withdrawals
from tidemill_serving.errors import NothingDeployed
from tidemill_serving.handlers import Delete, Deploy


def delete(world: World, *, pipeline: str = "m") -> None:
    """Let a pipeline be deleted now, as the controller does it."""
    world.store.delete(layout.pipeline_spec(pipeline))
    tell_deleted(world, pipeline=pipeline)


def tell_deleted(world: World, *, pipeline: str = "m", seconds_ago: float = 0) -> None:
    data = PipelineDeleted(pipeline=pipeline, deletion_id="1")
    event = Event(
        type="dev.tidemill.pipeline.deleted.v1",
        source="/test",
        subject=data.subject,
        data=data,
        id="deletion",
        time=world.now - timedelta(seconds=seconds_ago),
        correlation_id="deletion",
    )
    assert list(Delete(world.parts.releases)(event)) == []


def bless_later(world: World, version: int, seconds: float) -> ModelDeployed | ModelWithdrawn:
    """Let a model be blessed some time after noon."""
    world.server.models["m", version] = lambda x: x * 2.0
    event = replace(blessed(world.store, version), time=NOON + timedelta(seconds=seconds))
    (told,) = Deploy(world.store, world.parts.releases)(event)
    assert isinstance(told, ModelDeployed | ModelWithdrawn)
    return told


def while_trying_out(
    world: World, version: int, *, declare_anew: bool = False
) -> ModelDeployed | ModelWithdrawn:
    """Let a pipeline be deleted between a model's loading and the decision to release it."""
    asked, go_on = threading.Event(), threading.Event()

    def double_later(x: float) -> float:
        asked.set()
        assert go_on.wait(30)
        return x * 2.0

    world.server.models["m", version] = double_later
    event = blessed(world.store, version)
    with ThreadPoolExecutor(1) as other:
        deploying = other.submit(lambda: list(Deploy(world.store, world.parts.releases)(event)))
        try:
            assert asked.wait(30)
            delete(world)
            if declare_anew:
                world.store.write(layout.pipeline_spec("m"), b"metadata: {name: m}\nspec: {label: late}")
        finally:
            go_on.set()
        (told,) = deploying.result()
    assert isinstance(told, ModelDeployed | ModelWithdrawn)
    return told


def routes(world: World) -> list[str]:
    table = world.board.next_after(-1, timeout_seconds=0)
    return [route.model for route in table.routes] if table else []


def test_the_model_of_a_deleted_pipeline_answers_no_more_and_is_unloaded(world: World) -> None:
    world.bless(1)
    world.bless(2)
    world.pass_seconds(60)

    delete(world)
    shown = routes(world)
    world.parts.releases.reconcile()

    assert shown == []
    assert world.server.versions == {}
    with pytest.raises(NothingDeployed):
        world.promote()


def test_the_withdrawal_of_every_version_that_served_is_told_once(world: World) -> None:
    world.spec("{strategy: canary}")
    world.bless(1)
    world.bless(2)
    world.pass_seconds(60)

    delete(world)
    delete(world)

    gone = [event for event in world.untold if isinstance(event, ModelWithdrawn)]
    assert [(event.version, event.reason.code) for event in gone] == [
        (2, "pipeline-deleted"),
        (1, "pipeline-deleted"),
    ]


def test_other_models_stay(world: World, server: FakeModelServer) -> None:
    server.models["other", 1] = lambda x: x * 2.0
    list(Deploy(world.store, world.parts.releases)(blessed(world.store, 1, pipeline="other")))
    world.bless(1)

    delete(world)
    world.parts.releases.reconcile()

    assert routes(world) == ["other"]
    assert server.versions == {"other": {1}}


def test_a_restarted_serving_process_does_not_bring_it_back(world: World) -> None:
    world.bless(1)
    delete(world)

    world.restart()

    assert routes(world) == []


def test_a_model_that_was_blessed_before_the_deletion_is_not_deployed(world: World) -> None:
    world.pass_seconds(60)
    delete(world)

    told = bless_later(world, 1, seconds=0)

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "pipeline-deleted"
    assert routes(world) == []


def test_nor_is_it_when_the_pipeline_was_declared_anew(world: World) -> None:
    world.bless(1)
    world.pass_seconds(60)
    delete(world)
    world.spec("{strategy: canary}")

    assert isinstance(bless_later(world, 1, seconds=0), ModelWithdrawn)
    assert routes(world) == []


def test_nothing_is_deployed_of_a_pipeline_without_a_spec(world: World) -> None:
    event = blessed(world.store, 1)
    world.store.delete(layout.pipeline_spec("m"))

    (told,) = Deploy(world.store, world.parts.releases)(event)

    assert isinstance(told, ModelWithdrawn)


def test_what_is_blessed_after_the_pipeline_was_declared_anew_serves_also_the_same_version(
    world: World,
) -> None:
    world.bless(1)
    delete(world)
    world.spec("{strategy: canary}")

    told = bless_later(world, 1, seconds=90)

    assert isinstance(told, ModelDeployed)
    assert (told.version, told.label, told.replaces) == (1, "stable", None)
    assert routes(world) == ["m"]


def test_versions_of_a_deleted_pipeline_are_no_champions_until_they_serve_again(world: World) -> None:
    world.bless(1)
    delete(world)
    bless_later(world, 2, seconds=0)
    deployment = world.store.read(layout.deployment("m"))
    assert sorted(Withdrawals.model_validate_json(deployment).withdrawn) == [1, 2]

    world.spec("{strategy: canary}")
    bless_later(world, 1, seconds=90)
    deployment = world.store.read(layout.deployment("m"))
    assert sorted(Withdrawals.model_validate_json(deployment).withdrawn) == [2]


def test_what_was_found_bad_before_stays_so(world: World) -> None:
    world.bless(1)
    world.bless(2)
    world.rollback()
    delete(world)
    world.spec("{strategy: canary}")

    told = bless_later(world, 2, seconds=90)

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "rolled-back"


def test_a_blessing_that_comes_again_leaves_what_was_deployed_since(world: World) -> None:
    world.bless(1)
    delete(world)
    world.spec("{strategy: canary}")
    bless_later(world, 1, seconds=90)

    assert isinstance(bless_later(world, 1, seconds=-90), ModelDeployed)
    assert world.route.stable_version == 1


def test_a_deletion_that_is_told_again_later_leaves_what_was_deployed_since(world: World) -> None:
    world.bless(1)
    delete(world)
    world.spec("{strategy: canary}")
    world.pass_seconds(90)
    bless_later(world, 2, seconds=90)

    tell_deleted(world, seconds_ago=90)

    assert world.route.stable_version == 2


@pytest.mark.parametrize("declare_anew", [False, True])
def test_a_model_whose_pipeline_is_deleted_while_it_loads_is_not_deployed(
    world: World,
    declare_anew: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    world.bless(1)
    world.pass_seconds(60)

    told = while_trying_out(world, 2, declare_anew=declare_anew)
    world.parts.releases.reconcile()

    assert isinstance(told, ModelWithdrawn)
    assert told.reason.code == "pipeline-deleted"
    assert routes(world) == []
    assert world.server.versions == {}


def test_what_began_to_serve_between_a_deletion_and_its_telling_goes_too(world: World) -> None:
    world.bless(1)
    world.bless(2)
    world.pass_seconds(60)
    world.rollback()
    world.store.delete(layout.pipeline_spec("m"))

    tell_deleted(world, seconds_ago=30)

    assert routes(world) == []
