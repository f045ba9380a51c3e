"""The envelope of every event: CloudEvents 1.0 over Pub/Sub.

Source: CloudEvents core specification 1.0 and Google's Pub/Sub protocol binding 1.0. Events are written in
binary mode (one message attribute per context attribute, prefixed `ce-`); both modes are read.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import BaseModel, ConfigDict, ValidationError

EVENT_NAMESPACE = uuid.UUID("5f6c1f9e-3c0a-5b7e-9a53-0f8d6a1f7f10")
JSON_CONTENT_TYPE = "application/json"
STRUCTURED_PREFIX = "application/cloudevents"


class InvalidEvent(ValueError):
    """The message is not an event this version of Tidemill can read."""


class EventData(BaseModel):
    """Base of every event's data: frozen, and tolerant of fields that a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @property
    def subject(self) -> str:
        """The resource the fact is about. One event type says one thing of a subject, once."""
        raise NotImplementedError

    @property
    def data_classification(self) -> str | None:
        """How sensitive the data is that the fact is about; None when that is as it was before it."""
        return None

    def known_by(self, event_id: str) -> Self:  # noqa: ARG002 - most data has no use for one
        """Take the event's id where the data has to be known by one and its writer gave none."""
        return self


@dataclass(frozen=True, kw_only=True)
class Event:
    """One fact, as it travels between services.

    `id` and `source` together are unique per distinct fact: the same fact told twice has the same pair.
    `correlation_id` is shared by everything that one drop caused; `causation_id` is the id of the event that
    caused this one, None for the first. `data_classification` is None where nothing sensitive was found.
    """

    type: str
    source: str
    subject: str
    data: EventData
    id: str
    time: datetime
    correlation_id: str
    causation_id: str | None = None
    data_ref: str | None = None
    data_classification: str | None = None
    traceparent: str | None = None


EXTENSIONS = {
    "correlation_id": "correlationid",
    "causation_id": "causationid",
    "data_ref": "dataref",
    "data_classification": "dataclassification",
    "traceparent": "traceparent",
}


def event_id(event_type: str, subject: str) -> str:
    """Name a fact: the same type and subject always give the same id, so a retold fact is recognised."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{event_type}/{subject}"))


def to_message(event: Event) -> tuple[bytes, dict[str, str]]:
    """Encode in binary mode: the data as JSON bytes, the context as `ce-` attributes."""
    context = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    extensions = {wire: getattr(event, field) for field, wire in EXTENSIONS.items()}
    context |= {wire: value for wire, value in extensions.items() if value is not None}
    attributes = {f"ce-{name}": value for name, value in context.items()}
    return event.data.model_dump_json().encode(), {"content-type": JSON_CONTENT_TYPE, **attributes}


def from_message(
    data: bytes,
    attributes: Mapping[str, str],
    types: Mapping[str, type[EventData]],
    *,
    message_id: str = "",
    publish_time: datetime | None = None,
) -> Event:
    """Decode either mode into the event its type names.

    An event without id or time has those of its message, which stay the same however often it is delivered:
    not everyone who publishes can make them up.

    Raises InvalidEvent when the message is no CloudEvent, its type is not in `types`, or its data does not
    fit the type.
    """
    # The SDK would invent another id and time at each delivery.
    given: dict[str, Any] = {"id": message_id, "specversion": "", "time": publish_time or datetime.now(UTC)}
    cloud_event = _read_cloud_event(data, attributes, given)
    context = cloud_event.get_attributes()
    event_type = context["type"]
    if event_type not in types:
        raise InvalidEvent(f"expected an event type among {sorted(types)}, received {event_type!r}")
    try:
        payload = types[event_type].model_validate_json(_as_bytes(cloud_event.get_data()))
    except ValidationError as error:
        raise InvalidEvent(f"data of {event_type} does not fit: {error}") from error
    return Event(
        type=event_type,
        source=context["source"],
        subject=context.get("subject") or "",
        data=payload.known_by(context["id"]),
        id=context["id"],
        time=_as_time(context.get("time")),
        correlation_id=context.get("correlationid") or context["id"],
        **{field: context.get(wire) for field, wire in EXTENSIONS.items() if field != "correlation_id"},
    )


def _read_cloud_event(data: bytes, attributes: Mapping[str, str], given: Mapping[str, Any]) -> CloudEvent:
    content_type = attributes.get("content-type") or attributes.get("ce-datacontenttype") or ""
    try:
        if content_type.lower().startswith(STRUCTURED_PREFIX):
            return _structured(data, given)
        context: dict[str, Any] = {
            name.removeprefix("ce-").lower(): value
            for name, value in attributes.items()
            if name.startswith("ce-") and name != "ce-datacontenttype"
        }
        if "time" in context:
            context["time"] = _as_time(context["time"])
        return CloudEvent({**given, **context}, data)
    except (CloudEventValidationError, ValueError, KeyError) as error:
        raise InvalidEvent(f"expected a CloudEvents 1.0 message, received {error}") from error


def _structured(data: bytes, given: Mapping[str, Any]) -> CloudEvent:
    def event(context: dict[str, Any], content: dict[str, Any] | str | bytes | None) -> CloudEvent:
        return CloudEvent({**given, **context}, content)

    read = JSONFormat().read(event, data)
    if not isinstance(read, CloudEvent):
        raise InvalidEvent(f"expected CloudEvents 1.0, received {type(read).__name__}")
    return read


def _as_bytes(data: dict[str, Any] | str | bytes | None) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return json.dumps(data).encode()


def _as_time(value: datetime | str | None) -> datetime:
    if value is None:
        raise InvalidEvent("expected a time, received none")
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
