"""Rules of events on the wire: what was ever written can still be read."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidemill_contracts.event import Event, InvalidEvent, event_id, from_message, to_message
from tidemill_contracts.events import EVENT_TYPES, DatasetIngested, RetrainRequested

GOLDEN = Path(__file__).parent / "golden"
DATA = DatasetIngested(
    pipeline="flights",
    spec_digest="a1b2",
    span=1,
    span_id="c3d4",
    object_name="drops/flights/a.csv",
    generation=1700000000000001,
    rows=3,
    rows_rejected=1,
    columns=2,
    seconds=0.5,
)
EVENT = Event(
    type="dev.tidemill.dataset.ingested.v1",
    source="/tidemill/ingest",
    subject=DATA.subject,
    data=DATA,
    id=event_id("dev.tidemill.dataset.ingested.v1", DATA.subject),
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    correlation_id="drop-1",
    causation_id="cause-1",
)


def structured(**changes: object) -> tuple[bytes, dict[str, str]]:
    """The event in structured mode, as another CloudEvents library would send it."""
    document = {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": EVENT.source,
        "type": EVENT.type,
        "subject": EVENT.subject,
        "time": "2026-01-02T03:04:05Z",
        "correlationid": "drop-1",
        "causationid": "cause-1",
        "data": json.loads(DATA.model_dump_json()),
        **changes,
    }
    return json.dumps(document).encode(), {"content-type": "application/cloudevents+json; charset=utf-8"}


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_every_event_ever_written_still_decodes(file: Path) -> None:
    golden = json.loads(file.read_text())
    data = json.dumps(golden["data"]).encode()

    event = from_message(data, golden["attributes"], EVENT_TYPES)

    assert event.id == event_id(event.type, event.data.subject)
    assert golden["data"].items() <= json.loads(event.data.model_dump_json()).items()
    assert to_message(event)[1] == golden["attributes"]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_is_kept_as_it_is_written_today(event_type: str) -> None:
    newest = json.loads(max(GOLDEN.glob(f"{event_type}*.json"), key=lambda file: file.stem).read_text())

    assert newest["data"].keys() == EVENT_TYPES[event_type].model_fields.keys()


def test_an_event_survives_the_wire_in_both_modes() -> None:
    assert from_message(*to_message(EVENT), EVENT_TYPES) == EVENT
    assert from_message(*structured(), EVENT_TYPES) == EVENT


def test_a_field_that_a_newer_writer_added_is_ignored() -> None:
    data = {**json.loads(DATA.model_dump_json()), "colour": "blue"}

    assert from_message(*structured(data=data), EVENT_TYPES) == EVENT


def test_the_same_fact_has_the_same_id_and_another_fact_another() -> None:
    other = DATA.model_copy(update={"span": 2})

    assert event_id(EVENT.type, DATA.subject) == EVENT.id
    assert event_id(EVENT.type, other.subject) != EVENT.id
    assert event_id("dev.tidemill.dataset.rejected.v1", DATA.subject) != EVENT.id


def test_an_event_without_correlation_starts_one_of_its_own() -> None:
    assert from_message(*structured(correlationid=None), EVENT_TYPES).correlation_id == EVENT.id


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ((b"", {}), "expected a CloudEvents 1.0 message"),
        (
            (b"not json", {"content-type": "application/cloudevents+json"}),
            "expected a CloudEvents 1.0 message",
        ),
        (structured(id=""), "id"),
        (structured(type="dev.tidemill.moon.landed.v1"), "received 'dev.tidemill.moon.landed.v1'"),
        (structured(data={"pipeline": "flights"}), "data of dev.tidemill.dataset.ingested.v1 does not fit"),
        (structured(data=None), "does not fit"),
        (structured(time="yesterday"), "expected a CloudEvents 1.0 message"),
        ((to_message(EVENT)[0], {**to_message(EVENT)[1], "ce-specversion": "0.3"}), "specversion"),
    ],
)
def test_what_is_no_event_is_refused_with_what_was_expected(
    message: tuple[bytes, dict[str, str]], says: str
) -> None:
    with pytest.raises(InvalidEvent, match=says):
        from_message(*message, EVENT_TYPES)


LEAST = {"specversion": "1.0", "type": "dev.tidemill.retrain.requested.v1", "source": "//scheduler"}
WISH = {"pipeline": "flights"}


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (json.dumps(WISH), {f"ce-{name}": value for name, value in LEAST.items()}),
        (json.dumps({**LEAST, "data": WISH}), {"content-type": "application/cloudevents+json"}),
    ],
    ids=["binary", "structured"],
)
def test_an_event_without_id_and_time_has_those_of_its_message(data: str, attributes: dict[str, str]) -> None:
    sent = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    event = from_message(data.encode(), attributes, EVENT_TYPES, message_id="m-7", publish_time=sent)

    assert (event.id, event.correlation_id, event.time) == ("m-7", "m-7", sent)
    assert event.data == RetrainRequested(pipeline="flights", request_id="m-7")
    with pytest.raises(InvalidEvent, match="id"):
        from_message(data.encode(), attributes, EVENT_TYPES)


def test_a_request_keeps_the_id_that_it_has() -> None:
    data = json.dumps({**LEAST, "id": "e-1", "data": {**WISH, "request_id": "monday"}}).encode()

    event = from_message(data, {"content-type": "application/cloudevents+json"}, EVENT_TYPES)

    assert event.data == RetrainRequested(pipeline="flights", request_id="monday")


def test_times_are_written_in_utc() -> None:
    attributes = to_message(replace(EVENT, time=datetime.fromisoformat("2026-01-02T04:04:05+01:00")))[1]

    assert attributes["ce-time"] == "2026-01-02T03:04:05Z"
