"""Rules of the stream: every record is in one drop or one file of rejects, with those of its window."""

import json
from pathlib import Path

import pytest
from stream_world import BEGIN, Script, StreamWorld, a_record

from tidemill_contracts import layout
from tidemill_transform.streaming.packing import PaneReport


@pytest.fixture
def world(tmp_path: Path) -> StreamWorld:
    return StreamWorld(tmp_path / "bucket")


def test_records_of_a_window_are_one_drop(world: StreamWorld) -> None:
    script = Script().records(a_record(1, 0), a_record(2, 59.9)).records(a_record(3, 60)).watermark(200)

    world.run(script.end())

    assert list(world.panes()) == [(0, [1, 2]), (60, [3])]
    assert len(world.store.list("drops/flights/")) == 2


def test_a_record_that_was_overtaken_is_in_its_window(world: StreamWorld) -> None:
    script = Script().records(a_record(2, 70)).watermark(50).records(a_record(1, 55)).watermark(200)

    world.run(script.end())

    assert list(world.panes()) == [(0, [1]), (60, [2])]


def test_nothing_is_landed_before_the_watermark_has_passed_the_window(tmp_path: Path) -> None:
    drops = {}
    for held_at in (59, 60):
        world = StreamWorld(tmp_path / str(held_at) / "bucket", max_rows=3)
        script = Script().records(a_record(1, 5)).watermark(held_at).records(a_record(2, 6), a_record(3, 7))
        world.run(script.end())
        drops[held_at] = list(world.panes())

    assert drops == {59: [(0, [1, 2, 3])], 60: [(0, [1]), (0, [2, 3])]}


def test_late_records_are_one_further_drop_of_their_window(tmp_path: Path) -> None:
    world = StreamWorld(tmp_path / "bucket")
    script = Script().records(a_record(1, 5)).watermark(130)
    for number in (2, 3):
        script.records(a_record(number, 50 + number, published=130 + number)).watermark(170 + number)

    world.run(script.watermark(180).records(a_record(4, 54, published=181)).end())

    assert list(world.panes()) == [(0, [1]), (0, [2, 3]), (0, [4])]
    assert [report.pane for report in world.reports()] == [0, 1, 2]


def test_windows_that_begin_late_gather_as_well(tmp_path: Path) -> None:
    world = StreamWorld(tmp_path / "bucket")
    script = Script().watermark(500)
    for number in (1, 2):
        script.records(a_record(number, 5, published=500 + number)).watermark(530 + number)

    world.run(script.end())

    assert list(world.panes()) == [(0, [1, 2])]


def test_a_window_without_records_leaves_nothing(world: StreamWorld) -> None:
    world.run(Script().records(a_record(1, 5)).watermark(60).watermark(300).records(a_record(2, 301)).end())

    assert list(world.panes()) == [(0, [1]), (300, [2])]


def test_a_pane_holds_no_more_than_it_may(tmp_path: Path) -> None:
    world = StreamWorld(tmp_path / "bucket", max_rows=3)

    world.run(Script().records(*(a_record(number, number) for number in range(7))).watermark(60).end())

    assert list(world.panes()) == [(0, [0, 1, 2]), (0, [3, 4, 5]), (0, [6])]


def test_a_message_that_comes_twice_is_landed_once(world: StreamWorld) -> None:
    script = Script().records(a_record(1, 5), a_record(2, 6)).records(a_record(1, 5)).watermark(60)

    world.run(script.end())

    [report] = world.reports()
    assert list(world.panes()) == [(0, [1, 2])]
    assert (report.records, report.rows, report.duplicates) == (2, 2, 1)


def test_records_that_do_not_fit_are_set_aside_with_the_reason(world: StreamWorld) -> None:
    unfit = {
        2: b"no json",
        3: b"[1]",
        4: b'{"distance": "far"}',
        5: b'{"distance": 1.5}',
        6: b'{"distance": NaN}',
        7: b'{"carrier": ["UA"]}',
    }
    records = [a_record(1, 5), *(a_record(number, 6, data) for number, data in unfit.items())]

    world.run(Script().records(*records).watermark(60).end())

    [report] = world.reports()
    assert (report.records, report.rows, report.rejected) == (7, 1, 6)
    assert report.rejects is not None
    rejects = {row["message_id"]: row for row in world.table(report.rejects).to_pylist()}
    assert {int(name[1:]): row["record"] for name, row in rejects.items()} == unfit
    assert rejects["m4"]["reason"] == "column distance: expected int, received 'far'"
    assert all(row["reason"] for row in rejects.values())


def test_a_window_of_rejects_alone_is_no_drop(world: StreamWorld) -> None:
    world.run(Script().records(a_record(1, 5, b"x")).watermark(60).end())

    [report] = world.reports()
    assert (report.drop, report.rows, report.rejected) == (None, 0, 1)
    assert world.store.list("drops/") == []


@pytest.mark.parametrize(("at", "reason"), [(-601, "late: "), (61, "early: ")])
def test_a_time_that_cannot_be_right_is_refused_into_the_window_of_publishing(
    world: StreamWorld, at: float, reason: str
) -> None:
    world.run(Script().records(a_record(1, at, published=0)).watermark(60).end())

    [report] = world.reports()
    assert report.window_start.timestamp() == BEGIN
    assert report.rejects is not None
    assert world.table(report.rejects)["reason"][0].as_py().startswith(reason)


@pytest.mark.parametrize("at", [-600, 60])
def test_a_time_that_may_be_right_is_not_refused(world: StreamWorld, at: float) -> None:
    world.run(Script().records(a_record(1, at, published=0)).end())

    assert [numbers for _, numbers in world.panes()] == [[1]]


def test_messages_are_settled_once_they_are_stored(world: StreamWorld) -> None:
    script = Script().records(a_record(1, 5), a_record(2, 6, b"x")).records(a_record(3, 70)).watermark(60)

    world.run(script.end())

    assert sorted(world.settled_ids()) == sorted(script.message_ids)


def test_the_same_records_are_the_same_objects(tmp_path: Path) -> None:
    contents = []
    for order in ((1, 2, 3), (3, 1, 2)):
        world = StreamWorld(tmp_path / str(order) / "bucket")
        records = {number: a_record(number, number) for number in order}
        world.run(Script().records(*records.values()).watermark(60).end())
        contents.append({name: world.store.read(name) for name in world.store.list("")})

    assert contents[0] == contents[1]


def test_what_is_landed_already_stays(world: StreamWorld) -> None:
    source = Script().records(a_record(1, 5)).watermark(60)
    world.run(source.end())
    before = {name: world.store.stat(name).generation for name in world.store.list("")}

    world.run(Script().records(a_record(1, 5)).watermark(60).end())

    assert {name: world.store.stat(name).generation for name in world.store.list("")} == before


def test_columns_that_are_not_known_are_landed_and_not_profiled(world: StreamWorld) -> None:
    rows = [{"distance": 1, "gate": "A"}, {"distance": 2.0, "weather": {"wind": 3}}, {"carrier": "UA"}]
    records = [a_record(number, number, json.dumps(row).encode()) for number, row in enumerate(rows)]

    world.run(Script().records(*records).watermark(60).end())

    [report] = world.reports()
    assert report.drop is not None
    assert world.table(report.drop).to_pydict() == {
        "distance": [1, 2, None],
        "carrier": [None, None, "UA"],
        "gate": ["A", None, None],
        "weather.wind": [None, 3, None],
    }
    assert [column.name for column in report.columns] == ["distance", "carrier"]
    assert [column.nulls for column in report.columns] == [1, 2]


def test_a_drop_has_a_name_that_ingest_takes(world: StreamWorld) -> None:
    world.run(Script().records(a_record(1, 5)).watermark(60).end())

    [name] = world.store.list("drops/")
    assert layout.pipeline_of_drop(name) == "flights"
    assert layout.is_file_name(name.rpartition("/")[2])
    assert name.startswith("drops/flights/stream-20231114T220000Z-0000-")


def test_records_in_are_rows_landed_and_records_rejected(tmp_path: Path) -> None:
    world = StreamWorld(tmp_path / "bucket", max_rows=5)
    script = Script()
    for number in range(40):
        data = b"x" if number % 7 == 0 else None
        at = (number * 37) % 250 - number % 3 * 300
        script.records(a_record(number, at, data, published=number * 5)).watermark(number * 5)

    world.run(script.end())

    landed = [number for _, numbers in world.panes() for number in numbers]
    assert sum(report.records for report in world.reports()) == 40
    assert sum(report.rows + report.rejected for report in world.reports()) == 40
    assert len(landed) == len(set(landed)) == sum(report.rows for report in world.reports())
    assert all(isinstance(report, PaneReport) and report.records <= 5 for report in world.reports())
