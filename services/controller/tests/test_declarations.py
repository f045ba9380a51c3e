"""Rules of declared pipelines, wherever they are declared."""

from datetime import UTC, datetime, timedelta

from controller_world import World
from test_facts import blessed, deployed, ingested, withdrawn

from tidemill_contracts import layout
from tidemill_contracts.events import Reason


def test_a_declared_pipeline_is_in_force(world: World) -> None:
    world.declare("flights", "{label: late}")
    world.until(lambda: world.standings.get("flights") is not None)

    assert world.label("flights") == "late"
    assert [each.name for each in world.declarations.all()] == ["flights"]
    world.declarations.check_ready()


def test_a_changed_spec_takes_effect(world: World) -> None:
    world.declare("flights", "{label: late}")
    world.until(lambda: world.label("flights") == "late")
    world.declare("flights", "{label: delay > 15}")

    world.until(lambda: world.label("flights") == "delay > 15")


def test_a_deletion_is_told_once_and_leaves_nothing_but_what_was_made(world: World) -> None:
    world.store.write(layout.span("flights", "s", "manifest.json"), b"{}")
    world.declare("flights", "{label: late}")
    world.until(lambda: world.standings.get("flights") is not None)
    world.delete("flights")
    world.until(lambda: bool(world.broker.deletions))
    world.restart()
    world.look()
    world.look()

    assert [each.pipeline for each in world.broker.deletions] == ["flights"]
    assert world.label("flights") == ""
    assert world.standings.all() == {}
    assert world.store.list("") == [layout.span("flights", "s", "manifest.json")]


def test_while_the_broker_is_away_a_deletion_waits_also_over_a_restart(world: World) -> None:
    world.declare("flights", "{label: late}")
    world.until(lambda: world.standings.get("flights") is not None)
    identity = world.standings.all()["flights"].identity
    world.broker.is_away = True
    world.delete("flights")
    world.until(lambda: world.label("flights") == "")
    world.look()
    world.restart()
    assert world.broker.deletions == []

    world.broker.is_away = False
    world.until(lambda: bool(world.broker.deletions))
    world.look()

    assert [each.deletion_id for each in world.broker.deletions] == [identity]


def test_a_name_that_is_declared_again_begins_anew(world: World) -> None:
    for _ in range(2):
        world.declare("flights", "{label: late}")
        world.until(lambda: world.standings.get("flights") is not None)
        assert world.standings.all()["flights"].facts == ()
        world.hear(ingested(1))
        world.delete("flights")
        world.until(lambda: world.standings.get("flights") is None)

    first, second = world.broker.deletions
    assert first.deletion_id != second.deletion_id


def test_a_name_that_is_declared_again_is_told_nothing_of_before(world: World) -> None:
    world.declare("m", "{label: late}")
    world.until(lambda: world.standings.get("m") is not None)
    world.delete("m")
    world.until(lambda: world.standings.get("m") is None)
    world.now += timedelta(hours=1)
    world.look()
    world.declare("m", "{label: late}")
    world.until(lambda: world.standings.get("m") is not None)
    world.hear(blessed(1), minute=-1)
    world.hear(withdrawn(1, Reason(code="pipeline-deleted", message="the pipeline m was deleted")), minute=1)
    world.hear(ingested(1), minute=1)

    assert [fact.kind for fact in world.standings.all()["m"].facts] == ["DatasetIngested"]


def test_the_trouble_of_one_pipeline_holds_up_no_other(world: World) -> None:
    world.declare("first", "{label: late}")
    world.until(lambda: world.standings.get("first") is not None)
    world.broker.is_away = True
    world.delete("first")
    world.declare("second", "{label: late}")

    world.until(lambda: world.standings.get("second") is not None)


def test_a_schedule_is_kept_over_restarts(world: World) -> None:
    world.declare("flights", "{label: late, retraining: {schedule: 0 3 * * *}}")
    world.until(lambda: world.standings.get("flights") is not None)
    world.look()
    world.now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    world.restart()
    world.until(lambda: bool(world.broker.requests))
    world.restart()
    world.look()

    assert world.broker.requests == ["schedule-2026-01-02T03:00:00Z"]


def test_events_are_remembered_of_declared_pipelines_alone_and_over_restarts(world: World) -> None:
    world.hear(ingested(1).model_copy(update={"pipeline": "unknown"}))
    world.declare("m", "{label: late}")
    world.until(lambda: world.standings.get("m") is not None)
    for _ in range(2):
        world.hear(blessed(1), minute=1)
        world.hear(deployed(1), minute=2)
        world.restart()

    assert list(world.standings.all()) == ["m"]
    assert [fact.kind for fact in world.standings.all()["m"].facts] == ["ModelBlessed", "ModelDeployed"]
