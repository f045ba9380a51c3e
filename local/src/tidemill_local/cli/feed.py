"""Events as they are told, from now on."""

import queue
import uuid
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

import grpc
from google.api_core.exceptions import GoogleAPIError
from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import ExpirationPolicy, Subscription

from tidemill_contracts import topology
from tidemill_contracts.event import Event
from tidemill_local.cli.errors import CommandFailed
from tidemill_runtime.consumer import Rejected
from tidemill_runtime.telling import read_event

DEADLINE_SECONDS = 10
EXPIRES_AFTER = timedelta(days=1)


class EventFeed:
    """A subscription of its own to all events, gone when the block ends."""

    def __init__(self, broker: str, project: str) -> None:
        """Take `host:port` of the broker; nothing is subscribed yet."""
        self._channel = grpc.insecure_channel(broker)
        self._client = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))
        self._path = self._client.subscription_path(project, f"tidemill-follow-{uuid.uuid4().hex}")
        self._topic = self._client.topic_path(project, topology.EVENTS_TOPIC)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        request = Subscription(
            name=self._path,
            topic=self._topic,
            # A follower that was killed could not delete its subscription.
            expiration_policy=ExpirationPolicy(ttl=EXPIRES_AFTER),
        )
        try:
            self._client.create_subscription(request, timeout=DEADLINE_SECONDS)
        except GoogleAPIError as error:
            raise CommandFailed(f"expected the broker to take a subscription: {error}") from error
        self._stream = self._client.subscribe(self._path, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.cancel()
        # A broker that is gone cannot be told; the subscription expires by itself.
        with suppress(GoogleAPIError, TimeoutError):
            self._stream.result(timeout=DEADLINE_SECONDS)
            self._client.delete_subscription(subscription=self._path, retry=None, timeout=DEADLINE_SECONDS)
        self._channel.close()

    def next(self, timeout_seconds: float) -> Event | None:
        """Return the next event, None when none came in time; raise when the stream broke."""
        try:
            return self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            if self._stream.done():
                reason = self._stream.exception()
                raise CommandFailed(f"expected events from the broker, it ended them: {reason}") from None
            return None

    def _receive(self, message: Message) -> None:
        # One of a version that this one cannot read is rejected by the services, with a reason.
        with suppress(Rejected):
            self._events.put(read_event(message))
        message.ack()
