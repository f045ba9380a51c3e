"""A broker as examples see it, and transform behind it."""

from dataclasses import dataclass

from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from transform_world import World

from tidemill_contracts import topology
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetTransformed
from tidemill_runtime.telling import Cause, Teller, read_event

PROJECT = "tidemill"
WAIT_SECONDS = 30


@dataclass(frozen=True)
class Site:
    """A broker, and what transform makes of what it hears there."""

    address: str
    publisher: PublisherClient
    subscriber: SubscriberClient
    world: World

    def publish(self, data: bytes, attributes: dict[str, str]) -> None:
        topic = self.publisher.topic_path(PROJECT, topology.EVENTS_TOPIC)
        self.publisher.publish(topic, data, **attributes).result(timeout=WAIT_SECONDS)

    def heard(self, subscription: str = topology.TRANSFORM.name) -> Event:
        """Take the next event that a subscription has."""
        path = self.subscriber.subscription_path(PROJECT, subscription)
        [received] = self.subscriber.pull(
            subscription=path, max_messages=1, timeout=WAIT_SECONDS
        ).received_messages
        self.subscriber.acknowledge(subscription=path, ack_ids=[received.ack_id])
        return read_event(received.message)

    def tell(self, data: EventData, correlation_id: str) -> None:
        Teller(self.publisher, project=PROJECT, service="test").tell(data, Cause(correlation_id))

    def retrained(self, event: Event) -> DatasetTransformed:
        """Handle a request twice, as after a redelivery; return what it led to, which is one thing."""
        told = self.world.tell(event)
        before = self.world.objects()
        assert self.world.tell(event) == told
        assert self.world.objects() == before
        assert isinstance(told, DatasetTransformed)
        return told
