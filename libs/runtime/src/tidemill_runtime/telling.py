"""Events out: a fact is told once it is stored, and telling it again changes nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.types import BatchSettings

from tidemill_contracts import notification, topology
from tidemill_contracts.event import Event, EventData, InvalidEvent, event_id, from_message, to_message
from tidemill_contracts.events import EVENT_TYPES, TYPE_NAMES
from tidemill_contracts.notification import ObjectFinalized
from tidemill_runtime.consumer import Message, Rejected

PUBLISH_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Cause:
    """What an event follows from: the correlation of all that one drop caused, and the event before.

    `data_classification` is inherited from it, unless the new event knows better.
    """

    correlation_id: str
    causation_id: str | None = None
    data_classification: str | None = None


class Teller:
    """Publishes this service's events; returns only when Pub/Sub has them."""

    def __init__(self, client: PublisherClient, *, project: str, service: str) -> None:
        self._client = client
        self._topic = client.topic_path(project, topology.EVENTS_TOPIC)
        self._source = f"/tidemill/{service}"

    def tell(self, data: EventData, cause: Cause) -> None:
        """Publish one fact; raise when Pub/Sub did not take it in time."""
        event_type = TYPE_NAMES[type(data)]
        event = Event(
            type=event_type,
            source=self._source,
            subject=data.subject,
            data=data,
            id=event_id(event_type, data.subject),
            time=datetime.now(UTC),
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
            data_classification=data.data_classification or cause.data_classification,
        )
        payload, attributes = to_message(event)
        self._client.publish(self._topic, payload, **attributes).result(timeout=PUBLISH_TIMEOUT_SECONDS)


EventHandler = Callable[[Event], Iterable[EventData]]


class Delivery(Protocol):
    """A message as any of Pub/Sub's clients hands it over."""

    @property
    def data(self) -> bytes: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def message_id(self) -> str: ...
    @property
    def publish_time(self) -> datetime: ...


def read_event(message: Delivery) -> Event:
    """Decode a delivery; raise Rejected when it is no event."""
    try:
        return from_message(
            message.data,
            message.attributes,
            EVENT_TYPES,
            message_id=message.message_id,
            publish_time=message.publish_time,
        )
    except InvalidEvent as error:
        raise Rejected("invalid-event", str(error)) from error


def on_events(handlers: Mapping[type[EventData], EventHandler], teller: Teller) -> Callable[[Message], None]:
    """Make a message handler from a table of event handlers; what a handler yields is told as it comes."""

    def handle(message: Message) -> None:
        event = read_event(message)
        handler = handlers.get(type(event.data))
        if handler is None:
            raise Rejected(
                "unexpected-event", f"expected one of {sorted(map(str, handlers))}, received {event.type}"
            )
        for data in handler(event):
            teller.tell(data, Cause(event.correlation_id, event.id, event.data_classification))

    return handle


def on_objects(
    handle: Callable[[ObjectFinalized], Iterable[EventData]], teller: Teller
) -> Callable[[Message], None]:
    """Make a message handler of bucket notifications; each object starts a correlation of its own."""

    def receive(message: Message) -> None:
        try:
            new = notification.from_message(message.data, message.attributes)
        except InvalidEvent as error:
            raise Rejected("invalid-notification", str(error)) from error
        correlation_id = event_id("drop", f"{new.bucket}/{new.name}/{new.generation}")
        for data in handle(new):
            teller.tell(data, Cause(correlation_id))

    return receive


def publisher_client() -> PublisherClient:
    """Open a publisher that sends each message at once: events are few, and someone waits for each."""
    return PublisherClient(BatchSettings(max_messages=1))
