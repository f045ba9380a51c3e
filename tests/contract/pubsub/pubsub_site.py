"""Shorthand over the unmodified client, so that each test shows only what it is about."""

import queue
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.types import FlowControl
from google.pubsub_v1 import PublisherClient as RawPublisher

PROJECT = "projects/contract"
CALL_SECONDS = 20.0
STREAM_SECONDS = 5.0


@dataclass(frozen=True)
class Site:
    """Clients of one server, and the topics and subscriptions a test makes there."""

    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient
    raw_publisher: RawPublisher

    def topic(self, **config: Any) -> str:
        name = f"{PROJECT}/topics/t-{uuid.uuid4().hex}"
        self.raw_publisher.create_topic(request={"name": name, **config}, timeout=CALL_SECONDS)
        return name

    def subscription(self, topic: str, **config: Any) -> str:
        name = f"{PROJECT}/subscriptions/s-{uuid.uuid4().hex}"
        request = {"name": name, "topic": topic, **config}
        self.subscriber.create_subscription(request=request, timeout=CALL_SECONDS)
        return name

    def publish(self, topic: str, *bodies: bytes, key: str = "", **attributes: str) -> list[str]:
        """Publish one after the other; returns the message ids."""
        futures = [self.publisher.publish(topic, body, ordering_key=key, **attributes) for body in bodies]
        return [future.result(CALL_SECONDS) for future in futures]

    def publish_raw(self, topic: str, *messages: dict[str, Any]) -> None:
        """Publish in one request, with neither the client's own checks nor its retries."""
        request = {"topic": topic, "messages": list(messages)}
        self.raw_publisher.publish(request=request, timeout=CALL_SECONDS, retry=None)

    def pull(self, subscription: str, count: int = 1, seconds: float = 3.0) -> list[Any]:
        """Pull until `count` messages are here or time is up."""
        received: list[Any] = []
        deadline = time.monotonic() + seconds
        while len(received) < count and time.monotonic() < deadline:
            batch = self._pull_now(subscription, count - len(received))
            received += batch
            if not batch:
                time.sleep(0.02)
        return received

    def _pull_now(self, subscription: str, limit: int) -> list[Any]:
        request = {"subscription": subscription, "max_messages": limit, "return_immediately": True}
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return list(self.subscriber.pull(request=request, timeout=CALL_SECONDS).received_messages)

    def bodies(self, subscription: str, count: int = 1, seconds: float = 3.0) -> list[bytes]:
        """Pull and ack; the bodies in the order of arrival."""
        received = self.pull(subscription, count, seconds)
        self.ack(subscription, received)
        return [each.message.data for each in received]

    def ack(self, subscription: str, received: list[Any]) -> None:
        if received:
            ack_ids = [each.ack_id for each in received]
            self.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids, timeout=CALL_SECONDS)

    def extend(self, subscription: str, received: list[Any], seconds: int) -> None:
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[each.ack_id for each in received],
            ack_deadline_seconds=seconds,
            timeout=CALL_SECONDS,
        )

    def nack(self, subscription: str, received: list[Any]) -> None:
        self.extend(subscription, received, 0)

    @contextmanager
    def listener(self, subscription: str, *, acks: bool = True, **flow_control: Any) -> Iterator["Listener"]:
        """Subscribe with callbacks for as long as the context lasts."""
        listener = Listener(acks=acks)
        flow = FlowControl(**flow_control)
        listener.pull = self.subscriber.subscribe(subscription, listener.handle, flow_control=flow)
        try:
            yield listener
        finally:
            listener.pull.cancel()
            with_error = listener.pull.exception(CALL_SECONDS)
            assert with_error is None or listener.may_fail, with_error


@dataclass
class Listener:
    """What the callbacks saw, in order."""

    acks: bool = True
    may_fail: bool = False
    pull: Any = None
    _messages: "queue.Queue[Message]" = field(default_factory=queue.Queue)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, message: Message) -> None:
        with self._lock:
            self._messages.put(message)
            if self.acks:
                message.ack()

    def next(self, seconds: float = 3.0) -> Message:
        return self._messages.get(timeout=seconds)

    def take(self, count: int, seconds: float = 10.0) -> list[Message]:
        deadline = time.monotonic() + seconds
        return [self.next(max(0.01, deadline - time.monotonic())) for _ in range(count)]

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing arrives for so long."""
        try:
            self.next(seconds)
        except queue.Empty:
            return True
        return False
