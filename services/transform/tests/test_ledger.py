"""Rules of the ledger: every event and every dead letter is one row, however often it is told."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from transform_catalog import open_catalog

from tidemill_contracts.event import Event, to_message
from tidemill_contracts.events import DatasetRejected, Reason
from tidemill_runtime.consumer import Message, Rejected
from tidemill_runtime.folder import FolderStore
from tidemill_transform.ledger import Ledger
from tidemill_transform.warehouse import MAX_FILES_PER_LEVEL, ParquetWarehouse

GIVEN_UP = "Pub/Sub gave up after the last attempt to deliver it"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class FailingStore(FolderStore):
    """A bucket that fails at the deletion of an object."""

    def delete(self, name: str) -> None:
        raise TimeoutError(name)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


@pytest.fixture
def query(tmp_path: Path) -> Callable[[str], list[tuple[object, ...]]]:
    def run(sql: str) -> list[tuple[object, ...]]:
        with open_catalog(tmp_path / "bucket" / "warehouse") as catalog:
            return catalog.sql(sql).fetchall()

    return run


def an_event(number: int) -> Message:
    reasons = (Reason(code="no-features", message="expected a column"),)
    data = DatasetRejected(pipeline="flights", span=number, reasons=reasons, seconds=1.5)
    event = Event(
        type="dev.tidemill.dataset.rejected.v1",
        source="/tidemill/transform",
        subject=data.subject,
        data=data,
        id=f"event-{number}",
        time=NOON,
        correlation_id="drop-1",
        causation_id="event-0",
        data_classification="personal",
    )
    return Message(*to_message(event), message_id=f"m{number}", publish_time=NOON)


def test_an_event_is_a_row_with_its_whole_context(
    store: FolderStore, query: Callable[[str], list[tuple[object, ...]]]
) -> None:
    Ledger(ParquetWarehouse(store)).record_event(an_event(3))

    ((*context, data, same_time),) = query(
        "SELECT source, id, type, subject, correlationid, causationid, dataclassification, data, "
        "time = published_at FROM events"
    )
    assert context == [
        "/tidemill/transform",
        "event-3",
        "dev.tidemill.dataset.rejected.v1",
        "pipelines/flights/spans/3",
        "drop-1",
        "event-0",
        "personal",
    ]
    assert same_time is True
    assert json.loads(str(data))["reasons"] == [{"code": "no-features", "message": "expected a column"}]


def test_an_event_told_twice_is_one_row(
    store: FolderStore, query: Callable[[str], list[tuple[object, ...]]]
) -> None:
    for _ in range(2):
        Ledger(ParquetWarehouse(store)).record_event(an_event(1))

    assert query("SELECT count(*) FROM events") == [(1,)]
    assert len(store.list("warehouse/events/")) == 1


def test_a_message_that_is_no_event_goes_to_the_dead_letters(store: FolderStore) -> None:
    message = Message(b"{}", {"ce-type": "unheard-of"}, "m1", NOON)

    with pytest.raises(Rejected, match="invalid-event"):
        Ledger(ParquetWarehouse(store)).record_event(message)


def test_a_dead_letter_is_a_row_with_its_reason(
    store: FolderStore, query: Callable[[str], list[tuple[object, ...]]]
) -> None:
    refused = {
        "tidemill-code": "invalid-spec",
        "tidemill-reason": "why",
        "tidemill-subscription": "tidemill-ingest",
    }
    given_up = {"CloudPubSubDeadLetterSourceSubscription": "tidemill-trainer"}
    ledger = Ledger(ParquetWarehouse(store))
    for _ in range(2):
        ledger.record_dead_letter(Message(b"caf\xe9", refused, "m1", NOON))
        ledger.record_dead_letter(Message(b"x", given_up, "m2", NOON))

    assert query("SELECT * EXCLUDE (time) FROM dead_letters ORDER BY message_id") == [
        ("m1", "invalid-spec", "why", "tidemill-ingest", json.dumps(refused, sort_keys=True), "caf\ufffd"),
        ("m2", "delivery-attempts-exhausted", GIVEN_UP, "tidemill-trainer", json.dumps(given_up), "x"),
    ]


def test_many_events_become_few_files_and_keep_every_row(
    store: FolderStore, query: Callable[[str], list[tuple[object, ...]]]
) -> None:
    told = MAX_FILES_PER_LEVEL + 3
    for number in range(told):
        # A new warehouse each time, as after a restart: what is there counts, not what is remembered.
        Ledger(ParquetWarehouse(store)).record_event(an_event(number))
    Ledger(ParquetWarehouse(store)).record_event(an_event(0))

    assert query("SELECT count(*), count(DISTINCT id) FROM events") == [(told, told)]
    assert len(store.list("warehouse/events/")) < 10


def test_a_kill_between_merging_and_deleting_loses_and_doubles_nothing(
    tmp_path: Path, query: Callable[[str], list[tuple[object, ...]]]
) -> None:
    folder = tmp_path / "bucket"
    dying, restarted = (
        Ledger(ParquetWarehouse(FailingStore(folder))),
        Ledger(ParquetWarehouse(FolderStore(folder))),
    )
    for number in range(MAX_FILES_PER_LEVEL):
        dying.record_event(an_event(number))
    with pytest.raises(TimeoutError):
        dying.record_event(an_event(MAX_FILES_PER_LEVEL))
    everything = [(MAX_FILES_PER_LEVEL + 1,)]
    assert query("SELECT count(*) FROM events") == everything

    restarted.record_event(an_event(MAX_FILES_PER_LEVEL))

    assert query("SELECT count(*) FROM events") == everything
    assert len(FolderStore(folder).list("warehouse/events/")) == 1
