"""Whatever is dropped, the services stay up, the reason is told, and the next good file goes through."""

from datetime import UTC, datetime

import duckdb
import pytest

from tidemill_contracts import topology
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected, DropQuarantined, ModelDeployed
from tidemill_contracts.notification import ObjectFinalized, to_message
from tidemill_world import World, flights

GOOD = flights(0, 1500)
HEADER, _, ROWS = GOOD.partition(b"\n")


def is_on_time(row: bytes) -> bool:
    arr_delay = row.split(b",")[8]
    return arr_delay != b"NA" and int(arr_delay) < 15


def outcome(data: EventData, pipeline: str) -> set[str]:
    """The codes of all reasons against a pipeline's file; empty for any other event."""
    match data:
        case DropQuarantined(pipeline=name, reason=reason) if name == pipeline:
            return {reason.code}
        case DatasetRejected(pipeline=name, reasons=reasons) if name == pipeline:
            return {reason.code for reason in reasons}
    return set()


@pytest.mark.parametrize(
    ("pipeline", "content", "code"),
    [
        ("bad-empty", b"", "empty-file"),
        ("bad-header-only", HEADER + b"\n", "no-rows"),
        ("bad-binary", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 100, "not-text"),
        ("bad-rows", HEADER + b"\n" + b"1,2,3\n" * 50 + ROWS[:2000], "too-many-bad-rows"),
        ("bad-header", b"a,b,c\n1,2,3\n" * 1 + b"1,2,3\n" * 500, "label-missing-column"),
        ("bad-label", GOOD.replace(b"arr_delay", b"arrival_delay"), "label-missing-column"),
        (
            "bad-one-class",
            HEADER + b"\n" + b"".join(row for row in ROWS.splitlines(keepends=True) if is_on_time(row)),
            "single-class-label",
        ),
        ("bad-few", HEADER + b"\n" + b"\n".join(ROWS.splitlines()[:20]), "too-few-rows"),
    ],
)
def test_a_bad_file_ends_with_a_reason_and_the_next_good_one_serves(
    world: World, pipeline: str, content: bytes, code: str
) -> None:
    world.apply(pipeline)
    world.drop(pipeline, content, "bad.csv")
    event = world.await_event(lambda data: bool(outcome(data, pipeline)))

    assert code in outcome(event.data, pipeline)


@pytest.mark.parametrize("pipeline", ["bad-empty", "bad-label"])
def test_after_a_bad_file_a_good_one_goes_through(world: World, pipeline: str) -> None:
    world.drop(pipeline, GOOD, "good.csv")

    world.await_event(lambda data: isinstance(data, ModelDeployed) and data.pipeline == pipeline)


def test_a_file_deleted_before_it_is_read_is_quarantined(world: World) -> None:
    world.apply("bad-gone")
    gone = ObjectFinalized(
        bucket=world.store.bucket,
        name="drops/bad-gone/gone.csv",
        generation=1700000000000001,
        size_bytes=5,
        time=datetime.now(UTC),
    )
    payload, attributes = to_message(gone)
    world.publish(topology.OBJECTS_TOPIC, payload, **attributes)
    event = world.await_event(lambda data: bool(outcome(data, "bad-gone")))

    assert outcome(event.data, "bad-gone") == {"object-gone"}


def test_a_message_that_is_no_notification_is_dead_lettered_with_its_reason(world: World) -> None:
    named = {"eventType": "OBJECT_FINALIZE", "objectId": "drops/what/is-this.csv"}
    world.publish(topology.OBJECTS_TOPIC, b"what is this", **named)

    def listed() -> bool | None:
        files = world.store.uri("warehouse/dead_letters") + "/**/*.parquet"
        try:
            rows = duckdb.read_parquet(files).select("code", "subscription").fetchall()
        except duckdb.IOException:
            return None
        return ("invalid-notification", "tidemill-ingest") in rows or None

    assert world.wait_for(listed, 20)
