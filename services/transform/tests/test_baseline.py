"""Rules of comparison: new data is held against the dataset version that was accepted before it."""

from pathlib import Path

import pytest
from transform_world import ROWS, World, a_request, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.profile import Profile
from tidemill_transform.baseline import find_baseline


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def baselines(world: World, *told: EventData) -> list[int | None]:
    return [world.dataset(each).baseline for each in told]


def test_the_baseline_is_the_newest_accepted_dataset_of_earlier_spans(world: World) -> None:
    first = world.tell(a_span(world.store))
    unlabelled = {**some_rows(first=ROWS), "delay": [None] * ROWS}
    rejected = world.tell(a_span(world.store, unlabelled, spec=a_spec(data={"last": 1})))
    third = world.tell(a_span(world.store, some_rows(first=2 * ROWS)))
    fourth = world.tell(a_span(world.store, some_rows(first=3 * ROWS)))

    assert isinstance(rejected, DatasetRejected)
    assert baselines(world, first, third, fourth) == [None, 1, 2]
    found = find_baseline(world.store, "flights", 4)
    assert found is not None
    assert (found.dataset, found.profile) == (2, world.profile(third))


def test_a_dataset_of_old_spans_is_held_against_older_ones(world: World) -> None:
    told = [world.tell(a_span(world.store, some_rows(first=number * ROWS))) for number in range(3)]
    world.store.write(layout.pipeline_spec("flights"), a_spec(label="delay >= 10").to_json().encode())
    again = world.tell(a_request("monday", span=2))

    assert isinstance(again, DatasetTransformed)
    assert baselines(world, *told, again) == [None, 1, 2, 1]


def test_the_profiles_are_of_both_sides_and_of_the_newest_span(world: World) -> None:
    world.tell(a_span(world.store))
    told = world.tell(a_span(world.store, some_rows(first=ROWS), row_group_rows=64))

    assert isinstance(told, DatasetTransformed)
    train, held_out = world.train(told)["distance"].to_pylist(), world.held_out(told)["distance"].to_pylist()
    newest = [distance for distance in train + held_out if distance >= 3 * ROWS]
    for file, distances in (
        ("profile.json", train),
        ("eval-profile.json", held_out),
        ("newest-profile.json", newest),
    ):
        profile = world.profile(told, file)
        numeric = profile.column("distance").numeric
        assert profile.rows == sum(rows for _, rows in profile.label.classes) == len(distances)
        assert numeric is not None
        assert (numeric.minimum, numeric.maximum) == (min(distances), max(distances))
        assert numeric.mean == pytest.approx(sum(distances) / len(distances))


def test_what_is_unusual_is_told_as_a_warning(world: World) -> None:
    world.tell(a_span(world.store))
    told = world.tell(a_span(world.store, some_rows(first=50 * ROWS)))

    assert isinstance(told, DatasetTransformed)
    (drift,) = (anomaly for anomaly in world.dataset(told).anomalies if anomaly.column == "distance")
    assert (drift.against, drift.severity) == ("drift", "warn")
    assert drift.message in {warning.message for warning in told.warnings}
    assert drift.type in {warning.code for warning in told.warnings}


def test_what_blocks_refuses_the_dataset_and_stays_to_be_looked_at(world: World) -> None:
    kind = "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"
    spec = a_spec(validation={"severities": {kind: "block"}})
    world.tell(a_span(world.store, spec=spec))
    told = world.tell(a_span(world.store, some_rows(first=50 * ROWS), spec=spec))

    assert isinstance(told, DatasetRejected)
    assert {reason.code for reason in told.reasons} == {kind}
    kept = layout.dataset("flights", told.dataset_id, "newest-profile.json")
    assert Profile.model_validate_json(world.store.read(kept)).rows > 0
    assert find_baseline(world.store, "flights", 9) == find_baseline(world.store, "flights", 2)
