"""Rules of restricted columns: no model reads them, and what was hidden once does not come back."""

from pathlib import Path

import pytest
from transform_world import ROWS, Columns, World, a_span, a_spec, some_rows

from tidemill_contracts.columns import Privacy
from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.pipeline import Pipeline


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def passengers(*, hashed: bool, first: int = 0) -> Columns:
    prefix = "h:" if hashed else "someone@"
    return {**some_rows(first=first), "email": [f"{prefix}{row % 30}" for row in range(ROWS)]}


def restricted_span(
    world: World, columns: Columns, privacy: Privacy, *, spec: Pipeline | None = None
) -> Event:
    return a_span(world.store, columns, types={"email": "string"}, privacy={"email": privacy}, spec=spec)


def test_a_hashed_column_is_in_the_rows_but_never_a_feature(world: World) -> None:
    told = world.tell(restricted_span(world, passengers(hashed=True), "hash"))

    dataset = world.dataset(told)
    assert isinstance(told, DatasetTransformed)
    assert "email" not in {feature.name for feature in dataset.features}
    assert "email" in {column.name for column in dataset.left_out}
    assert set(world.train(told)["email"].to_pylist()) <= set(passengers(hashed=True)["email"])
    assert dataset.data_classification == told.data_classification == "restricted"
    assert told.restricted_columns == ("email",)


def test_a_dropped_column_is_nowhere_but_its_window_is_restricted(world: World) -> None:
    spec = a_spec(leaveOut=["leak", "email"])
    told = world.tell(restricted_span(world, passengers(hashed=False), "drop", spec=spec))

    assert "email" not in world.train(told).column_names
    assert world.dataset(told).data_classification == "restricted"


def test_what_an_earlier_span_has_in_clear_is_not_used_once_it_is_hashed(world: World) -> None:
    a_span(world.store, passengers(hashed=False), types={"email": "string"})
    later = passengers(hashed=True, first=ROWS)
    told = world.tell(restricted_span(world, later, "hash"))

    assert isinstance(told, DatasetTransformed)
    assert told.spans == (1, 2)
    assert told.restricted_columns == ("email",)
    assert set(world.train(told)["email"].to_pylist()) == {None, *later["email"]}
    assert all(b"someone@" not in content for content in _below(world, "datasets/").values())


def test_rows_of_which_nothing_may_be_read_any_more_are_rows_still(world: World) -> None:
    spec = a_spec(label="email < 'h:2'", leaveOut=[])
    clear: Columns = {"email": [f"h:{row % 30}" for row in range(ROWS)]}
    a_span(world.store, clear, types={"email": "string"}, spec=spec)
    later = passengers(hashed=True, first=ROWS)
    told = world.tell(restricted_span(world, later, "hash", spec=spec))

    assert isinstance(told, DatasetTransformed)
    assert (told.spans, told.rows_in, told.rows_unlabelled) == ((1, 2), 2 * ROWS, ROWS)


def test_groups_may_be_hashed_columns(world: World) -> None:
    spec = a_spec(split={"groupBy": ["email"]})
    told = world.tell(restricted_span(world, passengers(hashed=True), "hash", spec=spec))

    train, held_out = world.train(told)["email"].to_pylist(), world.held_out(told)["email"].to_pylist()
    assert not set(train) & set(held_out)
    assert held_out


def test_restricted_columns_do_not_decide_the_side_of_a_row(world: World) -> None:
    same_rows = some_rows()
    first = world.tell(a_span(world.store, same_rows))
    both = world.tell(restricted_span(world, passengers(hashed=True), "hash"))

    assert set(world.train(both)["distance"].to_pylist()) == set(world.train(first)["distance"].to_pylist())


def test_a_rejection_of_restricted_data_is_restricted(world: World) -> None:
    spec = a_spec(validation={"minRows": 10 * ROWS})
    told = world.tell(restricted_span(world, passengers(hashed=True), "hash", spec=spec))

    assert isinstance(told, DatasetRejected)
    assert told.data_classification == "restricted"


def _below(world: World, prefix: str) -> dict[str, bytes]:
    return {name: content for name, content in world.contents().items() if name.startswith(prefix)}
