"""Rules of pipelines declared in the bucket: only what a person deletes is deleted."""

from pathlib import Path

import pytest
from bucket_world import BucketWorld

from tidemill_controller.bucket import BucketDeclarations

NAMES = ["a", "b"]


@pytest.fixture
def world(tmp_path: Path) -> BucketWorld:
    world = BucketWorld(tmp_path / "bucket")
    for name in NAMES:
        world.declare(name, "{label: late}")
    world.look()
    return world


@pytest.mark.parametrize("gone", ["bucket/pipelines", "bucket"])
def test_a_folder_that_is_away_for_a_moment_deletes_nothing(
    world: BucketWorld, tmp_path: Path, gone: str
) -> None:
    (tmp_path / gone).rename(tmp_path / "away")
    world.look()
    (tmp_path / "away").rename(tmp_path / gone)
    world.look()

    assert world.broker.told == []
    assert [each.name for each in world.declarations.all()] == NAMES


def test_a_bucket_that_is_away_for_long_deletes_nothing(world: BucketWorld, tmp_path: Path) -> None:
    (tmp_path / "bucket").rename(tmp_path / "away")
    for _ in range(3):
        world.look()
    (tmp_path / "away").rename(tmp_path / "bucket")
    world.look()

    assert world.broker.told == []
    assert list(world.standings.all()) == NAMES


def test_the_last_pipelines_are_deleted_together(world: BucketWorld) -> None:
    for name in NAMES:
        world.delete(name)
    world.until(lambda: world.standings.all() == {})

    assert [each.pipeline for each in world.broker.deletions] == NAMES


class Closing(BucketDeclarations):
    """A bucket that is going."""

    def is_closing(self) -> bool:
        return True


def test_at_the_end_one_deletion_that_cannot_be_told_loses_no_other(world: BucketWorld) -> None:
    world.controller.declarations = Closing(world.store, world.standings)
    world.broker.refused = "a"
    world.controller.close()

    assert [each.pipeline for each in world.broker.deletions] == ["b"]
    assert list(world.standings.all()) == ["a"]
