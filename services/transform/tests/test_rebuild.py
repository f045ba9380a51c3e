"""A dataset version is what its spans and its spec make it, at any time."""

from pathlib import Path

import pytest
from transform_world import World, a_span, some_rows

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetTransformed
from tidemill_transform.rebuild import Comparison, Rebuild


def rebuilt(world: World, told: DatasetTransformed, folder: Path) -> Comparison:
    return Rebuild(world.store, world.dataset(told), folder).compare()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def told(world: World) -> DatasetTransformed:
    a_span(world.store)
    told = world.tell(a_span(world.store, some_rows(first=300)))
    assert isinstance(told, DatasetTransformed)
    return told


def test_a_version_made_again_is_the_same_to_the_byte(
    world: World, told: DatasetTransformed, tmp_path: Path
) -> None:
    # A later span changes nothing about it.
    a_span(world.store, some_rows(first=600))
    found = rebuilt(world, told, tmp_path / "scratch")

    assert found.dataset_id == told.dataset_id
    assert [(side.side, side.rows, side.same_bytes, side.different) for side in found.sides] == [
        ("train", told.rows_train, True, ()),
        ("eval", told.rows_eval, True, ()),
        ("reject", 0, True, ()),
    ]
    assert found.same_profile


def test_rows_that_are_not_what_they_were_are_found(
    world: World, told: DatasetTransformed, tmp_path: Path
) -> None:
    dataset = world.dataset(told)
    first, second = dataset.train_files
    names = [layout.dataset(told.pipeline, told.dataset_id, file) for file in (first, second)]
    world.store.write(names[0], world.store.read(names[1]))
    found = rebuilt(world, told, tmp_path / "scratch")

    (train,) = [side for side in found.sides if side.side == "train"]
    assert train.different == (first,)
    assert not train.same_bytes


def test_a_profile_that_is_not_of_these_rows_is_found(
    world: World, told: DatasetTransformed, tmp_path: Path
) -> None:
    name = layout.dataset(told.pipeline, told.dataset_id, "profile.json")
    profile = world.profile(told)
    world.store.write(name, profile.model_copy(update={"rows": profile.rows + 1}).model_dump_json().encode())

    assert not rebuilt(world, told, tmp_path / "scratch").same_profile


def test_the_bucket_stays_as_it_is(world: World, told: DatasetTransformed, tmp_path: Path) -> None:
    before = world.objects()
    rebuilt(world, told, tmp_path / "scratch")

    assert world.objects() == before
