"""Messages in: every message ends in ack, retry later, or the dead-letter topic, and the ack comes last.

Delivery is at least once, so handlers must be idempotent. A handler returns when all it caused is stored and
told; an exception decides what else happens:

    Rejected     the message will never be right: dead-letter topic with the reason, then ack
    RetryLater   something it needs is not there yet: tried again while the consumer has patience, then nack,
                 redelivered after the retry policy's backoff
    any other    unexpected: traceback, nack, and after the policy's attempts Pub/Sub dead-letters it
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message as PubSubMessage
from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
from google.cloud.pubsub_v1.types import FlowControl
from prometheus_client import Counter, Histogram

from tidemill_contracts import topology
from tidemill_runtime.logs import get_logger

DEADLINE_SECONDS = 10
# What a consumer holds before the client gives the lease up; longer work is stored as intent and acked.
MAX_LEASE_SECONDS = 1800
PAUSE_SECONDS = 2
# Asking costs quota of the project, which the probes of many pods, each every 10 s, would use up.
READY_SECONDS = 60

# Outcomes: ack, retry, reject. A rising reject or retry rate says that a sender and this service disagree, or
# that something this service needs is down; the log lines of the same time carry the reasons.
MESSAGES = Counter("tidemill_consumer_messages_total", "Messages by outcome", ["subscription", "outcome"])
SECONDS = Histogram(
    "tidemill_consumer_handling_seconds",
    "Time in the handler",
    ["subscription"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)


class Rejected(Exception):
    """The message is not valid and never will be. `code` is stable, `message` says expected and received."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class RetryLater(Exception):
    """The message may be fine; something it depends on is not there yet."""


@dataclass(frozen=True)
class Message:
    """One delivery. `delivery_attempt` is None where the subscription has no dead-letter policy."""

    data: bytes
    attributes: Mapping[str, str]
    message_id: str
    publish_time: datetime
    delivery_attempt: int | None = None


class Consumer:
    """Pulls one subscription for as long as the process lives."""

    def __init__(
        self,
        handle: Callable[[Message], None],
        subscription: topology.Subscription,
        *,
        project: str,
        publisher: PublisherClient,
        concurrency: int = 1,
        patience_seconds: float = 0,
    ) -> None:
        """Prepare to handle up to `concurrency` messages at once, each in a thread of its own.

        A message that is to be retried later is held and tried again for `patience_seconds`, less than
        MAX_LEASE_SECONDS: the policy's attempts are soon used up, and then it would be a dead letter. Nothing
        that it waits for may come by the same subscription.
        """
        self._handle = handle
        self.name = subscription.name
        self._publisher = publisher
        self._dead_letters = publisher.topic_path(project, topology.DEAD_LETTER_TOPIC)
        self._subscriber = SubscriberClient()
        self._path = self._subscriber.subscription_path(project, subscription.name)
        self._concurrency = concurrency
        self._patience_seconds = patience_seconds
        self._stopping = threading.Event()
        self._stream: StreamingPullFuture | None = None
        self._answered_at = -math.inf
        # A counter that begins with its first event has no increase then.
        for outcome in ("ack", "retry", "reject"):
            MESSAGES.labels(self.name, outcome)
        SECONDS.labels(self.name)

    def start(self) -> None:
        """Begin to pull, in the background."""
        self._stream = self._subscriber.subscribe(
            self._path,
            callback=self._receive,
            flow_control=FlowControl(max_messages=self._concurrency, max_lease_duration=MAX_LEASE_SECONDS),
            scheduler=ThreadScheduler(ThreadPoolExecutor(self._concurrency, thread_name_prefix=self.name)),
            await_callbacks_on_shutdown=True,
        )

    def check_alive(self) -> None:
        """Raise when the stream ended: nothing will be handled any more."""
        if self._stream is None or self._stream.done():
            raise RuntimeError(f"expected a running stream on {self.name}, it has ended")

    def check_ready(self) -> None:
        """Raise when Pub/Sub does not answer for this subscription; that it did is good for READY_SECONDS."""
        self.check_alive()
        if time.monotonic() - self._answered_at >= READY_SECONDS:
            # Its own retries would outlast the probe, and ask most when Pub/Sub can answer least.
            self._subscriber.get_subscription(subscription=self._path, retry=None, timeout=DEADLINE_SECONDS)
            self._answered_at = time.monotonic()

    def stop(self, timeout_seconds: float) -> None:
        """Take no new messages; wait for those in hand, which stay unacknowledged if they take too long."""
        self._stopping.set()
        if self._stream is not None:
            self._stream.cancel()
            try:
                self._stream.result(timeout=timeout_seconds)
            except (TimeoutError, GoogleAPICallError) as error:
                get_logger().warning("consumer-stopped-hard", subscription=self.name, error=repr(error))
        self._subscriber.close()

    def _receive(self, received: PubSubMessage) -> None:
        message = Message(
            received.data,
            dict(received.attributes),
            received.message_id,
            received.publish_time,
            received.delivery_attempt,
        )
        begin = time.perf_counter()
        with structlog.contextvars.bound_contextvars(
            subscription=self.name, message_id=message.message_id, event=message.attributes.get("ce-type")
        ):
            outcome, detail = self._settle(received, message)
            seconds = time.perf_counter() - begin
            get_logger().info("message", outcome=outcome, seconds=round(seconds, 4), **detail)
        MESSAGES.labels(self.name, outcome).inc()
        SECONDS.labels(self.name).observe(seconds)

    def _settle(self, received: PubSubMessage, message: Message) -> tuple[str, dict[str, str]]:
        try:
            self._handle_patiently(message)
        except Rejected as error:
            self._dead_letter(message, error)
            received.ack()
            return "reject", {"code": error.code, "reason": error.message}
        except RetryLater as error:
            received.nack()
            return "retry", {"reason": str(error)}
        except Exception as error:  # noqa: BLE001 - the process boundary: a message must not kill the consumer
            get_logger().exception("handler-failed")
            received.nack()
            return "retry", {"reason": repr(error)}
        received.ack()
        return "ack", {}

    def _handle_patiently(self, message: Message) -> None:
        until = time.monotonic() + self._patience_seconds
        while True:
            try:
                return self._handle(message)
            except RetryLater as error:
                if time.monotonic() >= until or self._stopping.is_set():
                    raise
                get_logger().info("message-held", reason=str(error))
                self._stopping.wait(PAUSE_SECONDS)

    def _dead_letter(self, message: Message, error: Rejected) -> None:
        reason = {
            "tidemill-code": error.code,
            "tidemill-reason": error.message[:1024],
            "tidemill-subscription": self.name,
        }
        sent = self._publisher.publish(self._dead_letters, message.data, **{**message.attributes, **reason})
        sent.result(timeout=DEADLINE_SECONDS)
