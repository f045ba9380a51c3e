"""Rules of a stream's parts: columns that are known, times of events, rows, watermarks."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transform_world import a_span

from tidemill_contracts import layout
from tidemill_runtime.folder import FolderStore
from tidemill_transform.streaming.app import known_types
from tidemill_transform.streaming.packing import Packer, Pane
from tidemill_transform.streaming.records import EventTime
from tidemill_transform.streaming.rows import Misfit, Names, Row, batch_of, read_row
from tidemill_transform.streaming.settings import StreamSettings
from tidemill_transform.streaming.watermark import Watermark

PUBLISHED = datetime(2026, 1, 2, tzinfo=UTC)
DAY_SECONDS = 86_400


def accept(store: FolderStore, span: int) -> None:
    store.create(layout.sequence_entry(layout.ACCEPTED_SPANS, "flights", span), b"a dataset")


def test_known_columns_are_those_of_the_newest_accepted_span_in_clear(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert known_types(store, "flights") == {}
    a_span(store, {"distance": [1], "carrier": ["UA"]}, privacy={"carrier": "hash"})
    a_span(store, {"distance": [1.5]}, types={"distance": "float"})

    accept(store, 1)
    assert known_types(store, "flights") == {"distance": "int"}
    accept(store, 2)
    assert known_types(store, "flights") == {"distance": "float"}


@pytest.mark.parametrize(
    "stated", ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T02:00:00+02:00", "1767225600000"]
)
def test_an_attribute_says_when_an_event_was(stated: str) -> None:
    record = EventTime(attribute="at").record(b"{}", {"at": stated}, "m1", PUBLISHED)

    assert record.published - record.event_time == DAY_SECONDS
    assert record.refusal == ""


@pytest.mark.parametrize("stated", [b'"2026-01-01T00:00:00Z"', b"1767225600000"])
def test_a_field_says_when_an_event_was(stated: bytes) -> None:
    record = EventTime(field="at").record(b'{"at": %s}' % stated, {}, "m1", PUBLISHED)

    assert record.published - record.event_time == DAY_SECONDS


@pytest.mark.parametrize("data", [b"{}", b'{"at": "soon"}', b'{"at": 1.5}', b'{"at": true}', b"no json"])
def test_a_record_without_its_time_is_refused_and_keeps_that_of_publishing(data: bytes) -> None:
    record = EventTime(field="at").record(data, {}, "m1", PUBLISHED)

    assert record.event_time == record.published == PUBLISHED.timestamp()
    assert "expected" in record.refusal


def test_an_event_time_is_said_in_one_place() -> None:
    facts = {"bucket_url": "file:///b", "pipeline": "p", "subscription": "s"}
    with pytest.raises(ValueError, match="received both"):
        StreamSettings.model_validate({**facts, "event_time_attribute": "a", "event_time_field": "b"})


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b'{"i": 3.0, "f": 3}', {"i": 3, "f": 3.0}),
        (b'{"b": false, "s": ""}', {"b": False, "s": ""}),
        (b'{"t": "2026-01-02T00:00:00Z"}', {"t": PUBLISHED}),
        (b'{"t": "2026-01-02"}', {"t": PUBLISHED}),
        (b'{"i": null}', {"i": None}),
        (b'{"new": {"a": 1}}', {"new.a": 1}),
    ],
)
def test_a_value_that_means_the_same_fits(data: bytes, read: dict[str, object]) -> None:
    assert read_row(data, {"i": "int", "f": "float", "b": "bool", "s": "string", "t": "timestamp"}) == read


@pytest.mark.parametrize(
    "data",
    [
        b'{"i": true}',
        b'{"i": 9223372036854775808}',
        b'{"i": 1e400}',
        b'{"i": 1%s}' % (b"0" * 400),
        b'{"f": 1%s}' % (b"0" * 400),
        b'{"t": "0001-01-01T00:00:00+14:00"}',
        b'{"f": "1"}',
        b'{"f": Infinity}',
        b'{"b": 1}',
        b'{"s": 1}',
        b'{"t": 1}',
        b'{"t": "noon"}',
        b'{"i": {"a": 1}, "i.a": 1}',
        b'{"s": "\\ud800"}',
        b'{"s": [1]}',
        b"\xff",
        b"{}",
        b'{"i": {}}',
        b"[" * 100_000,
    ],
)
def test_a_value_of_another_kind_does_not_fit(data: bytes) -> None:
    with pytest.raises(Misfit, match="expected"):
        read_row(data, {"i": "int", "f": "float", "b": "bool", "s": "string", "t": "timestamp"})


@pytest.mark.parametrize(
    "row", [{"": 1}, {" ": 1}, {"A": 1}, {"b": 1}, {"c" * 301: 1}, {"d": 1, "D": 1}, {"e f": 1, "e  f": 1}]
)
def test_a_name_that_would_spoil_a_drop_is_refused_with_its_row(row: Row) -> None:
    names = Names(["a", "B"])
    names.add({"a": 1, "new": 2})

    with pytest.raises(Misfit, match="expected names"):
        names.add(row)
    names.add({"a": 2, "d": 1})


def test_a_record_of_very_many_columns_is_refused() -> None:
    names = Names([])
    names.add({str(number): 1 for number in range(9_999)})

    with pytest.raises(Misfit, match="at most 10000 columns"):
        names.add({"x": 1, "y": 1})


def test_records_that_fit_are_landed_beside_those_that_do_not() -> None:
    sent = (b'{"a": 1}', b'{"A": 2}', b'{"": 3}', b'{"a": 1%s}' % (b"0" * 400))
    records = [EventTime().record(data, {}, f"m{place}", PUBLISHED) for place, data in enumerate(sent)]
    packed = Packer("flights", 60, {"a": "int"}).pack(Pane(0, 0, tuple(records)))

    assert (packed.report.rows, packed.report.rejected) == (1, 3)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], pa.int64()),
        ([1, 1.5], pa.float64()),
        ([True], pa.bool_()),
        (["a"], pa.string()),
        ([1, "a", True], pa.string()),
        ([1 << 70], pa.string()),
        ([None], pa.string()),
    ],
)
def test_a_column_that_is_not_known_has_the_type_of_its_values(values: list[Any], kind: pa.DataType) -> None:
    assert batch_of([{"x": value} for value in values], {}).schema.field("x").type == kind


def test_the_watermark_follows_events_while_they_come() -> None:
    watermark = Watermark(10, now=1000)

    assert watermark.after([500, 400], now=1001) == 490
    assert watermark.after([450], now=1002) == 490
    assert watermark.after([], now=1003) == 490
    assert watermark.after([600], now=1004) == 590


def test_the_watermark_follows_the_clock_while_nothing_comes() -> None:
    watermark = Watermark(10, now=1000)
    watermark.after([500], now=1001)

    assert watermark.after([], now=1010.9) == 490
    assert watermark.after([], now=1011) == 1001


def test_an_event_of_the_future_does_not_end_every_window() -> None:
    assert Watermark(10, now=1000).after([99_999], now=1001) == 991
