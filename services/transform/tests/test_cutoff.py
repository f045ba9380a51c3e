"""Rules of splits by time: the cutoff is exact, the same however rows lie, and no time is on both sides."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.profile import ColumnType
from tidemill_transform.cutoff import find_cutoff

HOUR = pa.timestamp("us", "UTC")
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@given(
    st.one_of(
        st.lists(st.none() | NUMBERS).map(lambda values: pa.array(values, pa.int64())),
        st.lists(st.none() | NUMBERS).map(lambda values: pa.array(values, HOUR)),
        st.lists(st.none() | st.floats(allow_nan=False)).map(lambda values: pa.array(values, pa.float64())),
        st.lists(st.integers(0, 3)).map(lambda values: pa.array(values, pa.int64())),
    ),
    st.floats(0.01, 0.99),
    st.lists(st.integers(0, 50)),
)
def test_the_cutoff_is_what_sorting_finds(column: pa.Array, eval_share: float, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(column)) for cut in cuts), len(column)]
    batches = [column.slice(start, end - start) for start, end in pairwise(edges)]

    cutoff = find_cutoff(lambda: batches, eval_share)

    in_order = column.drop_null().sort()
    if not len(in_order):
        assert cutoff is None
    else:
        assert cutoff == in_order[int(len(in_order) * (1 - eval_share))]


def told_by_time(
    world: World, hours: Sequence[object], split: dict[str, object], *, kind: ColumnType
) -> EventData:
    """The outcome of two spans of which the second has the earlier rows; the last rows have no label yet."""
    spec = a_spec(split=split)
    half, labelled = ROWS // 2, ROWS - 45
    rows = {**some_rows(), "hour": hours}
    rows["delay"] = [*rows["delay"][:labelled], *[None] * (ROWS - labelled)]
    first, second = (
        {name: values[part] for name, values in rows.items()} for part in (slice(half), slice(half, ROWS))
    )
    a_span(world.store, second, types={"hour": kind}, spec=spec)
    return world.tell(a_span(world.store, first, types={"hour": kind}, spec=spec, row_group_rows=64))


@pytest.mark.parametrize("kind", ["timestamp", "int", "float"])
def test_the_newest_labelled_rows_of_the_window_are_held_out(world: World, kind: ColumnType) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=row) if kind == "timestamp" else row for row in range(ROWS)]
    told = told_by_time(world, hours, {"time": "hour", "evalShare": 0.25}, kind=kind)

    train, held_out = world.train(told)["hour"].to_pylist(), world.held_out(told)["hour"].to_pylist()
    cutoff = pa.scalar(min(held_out), HOUR if kind == "timestamp" else None)
    assert isinstance(told, DatasetTransformed)
    assert max(train) < min(held_out)
    assert told.rows_eval == pytest.approx(0.25 * (told.rows_train + told.rows_eval), abs=1)
    assert world.dataset(told).held_out_from == cutoff.cast(pa.string()).as_py()


def test_rows_of_one_time_are_on_one_side_and_those_without_are_trained_on(world: World) -> None:
    days = [None if row % 5 == 0 else row * 4 // ROWS for row in range(ROWS)]
    told = told_by_time(world, days, {"time": "hour", "evalShare": 0.1}, kind="int")

    assert set(world.held_out(told)["hour"].to_pylist()) == {3}
    assert set(world.train(told)["hour"].to_pylist()) == {None, 0, 1, 2}


@pytest.mark.parametrize(
    ("split", "code"),
    [
        ({"time": "carrier"}, "split-time-type"),
        ({"time": "nowhen"}, "unknown-column"),
        ({"groupBy": ["carrier", "nobody"]}, "unknown-column"),
    ],
)
def test_a_split_that_does_not_fit_the_columns_is_rejected(
    world: World, split: dict[str, object], code: str
) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(split=split)))

    assert isinstance(told, DatasetRejected)
    assert [reason.code for reason in told.reasons] == [code]


def test_no_group_is_on_both_sides_of_a_dataset(world: World) -> None:
    spec = a_spec(split={"groupBy": ["plane"], "evalShare": 0.4})
    planes = [f"N{row % 40}" for row in range(ROWS)]
    as_numbers = [row % 40 for row in range(ROWS)]
    a_span(world.store, {**some_rows(), "plane": as_numbers}, types={"plane": "int"}, spec=spec)
    later = {**some_rows(first=ROWS), "plane": [*planes[: ROWS // 2], *map(str, as_numbers[ROWS // 2 :])]}
    told = world.tell(a_span(world.store, later, types={"plane": "string"}, spec=spec))

    train, held_out = (
        set(world.train(told)["plane"].to_pylist()),
        set(world.held_out(told)["plane"].to_pylist()),
    )
    assert not train & held_out
    assert len(train | held_out) == 80
