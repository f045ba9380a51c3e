"""Rules of two serving processes at once, which nobody wants: they come to the same, and lose no decision."""

from pathlib import Path

import pytest
from model_server_fake import FakeModelServer
from serving_world import World

from tidemill_contracts import layout
from tidemill_serving.errors import NotNow


@pytest.fixture
def other(world: World, server: FakeModelServer, tmp_path: Path) -> World:
    """A process that was started before anything was deployed, as the first one was."""
    return World(tmp_path / "bucket", server)


def test_what_one_deploys_the_other_shows_and_keeps_loaded(world: World, other: World) -> None:
    world.bless(1)
    world.bless(2)
    for _ in range(2):
        other.parts.releases.reconcile()

    assert (other.route.stable_version, list(other.route.loaded_versions)) == (2, [1, 2])
    assert world.server.versions == {"m": {1, 2}}


def test_nothing_is_decided_by_what_the_other_has_changed(world: World, other: World) -> None:
    world.bless(1)
    world.bless(2)
    other.parts.releases.reconcile()
    other.parts.releases.reconcile()
    world.bless(3)

    with pytest.raises(NotNow, match="another process"):
        other.rollback()
    assert other.state.stable_version == 3
    other.parts.releases.reconcile()
    assert other.rollback().stable_version == 2


def test_a_deployment_that_somebody_broke_is_written_anew_with_the_next_decision(world: World) -> None:
    world.bless(1)
    world.store.write(layout.deployment("m"), b"{")
    world.parts.releases.reconcile()
    world.bless(2)
    world.restart()

    assert world.route.stable_version == 2
