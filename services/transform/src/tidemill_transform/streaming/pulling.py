"""A Pub/Sub subscription as a source for Beam's runner in this process.

That runner's own reading of Pub/Sub acknowledges messages before anything is done with them. Here they are
held until the window they are in is stored: a process that ends, however, has lost none. The runner takes
elements and watermarks from an event service, which this is.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.coders import PickleCoder
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.test_stream_service import TestStreamServiceController
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.types import FlowControl

from tidemill_runtime.logs import get_logger
from tidemill_transform.streaming.records import EventTime, Record
from tidemill_transform.streaming.watermark import Watermark

Payload: Any = beam_runner_api_pb2.TestStreamPayload
TICK_SECONDS = 0.5
BATCH_RECORDS = 1000
STOP_SECONDS = 5


class HeldMessages:
    """Messages of one subscription, held from when they are pulled until they are settled.

    `by_name` finds them, because Beam copies all that it runs.
    """

    by_name: ClassVar[dict[str, "HeldMessages"]] = {}

    def __init__(self, subscription: str, event_time: EventTime, out_of_order_seconds: float) -> None:
        """Prepare to read a subscription, named in full."""
        self.subscription = subscription
        self._event_time = event_time
        self._watermark = Watermark(out_of_order_seconds, time.time())
        self._arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._held: dict[str, Message] = {}
        self._stopping = threading.Event()
        self._stream: StreamingPullFuture | None = None

    @contextmanager
    def served(self, client: SubscriberClient, *, max_held: int, max_held_seconds: float) -> Iterator[str]:
        """Pull while the block runs; yield the address of the event service.

        Args:
            max_held: Messages that are held at most: no further ones are pulled.
            max_held_seconds: From then on a message that is still held is delivered again.
        """
        flow = FlowControl(max_messages=max_held, max_lease_duration=max_held_seconds)
        self._stream = client.subscribe(self.subscription, callback=self._arrived.put, flow_control=flow)
        service = TestStreamServiceController(self)
        service.start()
        self.by_name[self.subscription] = self
        try:
            yield service.endpoint
        finally:
            del self.by_name[self.subscription]
            self._stopping.set()
            self._give_back()
            service.stop()

    def check_alive(self) -> None:
        """Raise when the subscription is not read any more."""
        if self._stream is None or self._stream.done():
            raise RuntimeError(f"expected a running stream on {self.subscription}, it has ended")

    def settle(self, message_ids: Iterable[str]) -> None:
        """Acknowledge messages: what they say is stored."""
        for message_id in message_ids:
            message = self._held.pop(message_id, None)
            if message is not None:
                message.ack()

    def read_multiple(self, _labels: object) -> Iterator[Any]:
        """Give the runner what arrived and how far event time has come, until the source is closed."""
        while not self._stopping.is_set():
            records = [self._hold(message) for message in self._take()]
            if records:
                yield _elements(records)
            at = self._watermark.after([record.event_time for record in records], time.time())
            yield _watermark(at)

    def _take(self) -> Iterator[Message]:
        try:
            yield self._arrived.get(timeout=TICK_SECONDS)
            for _ in range(BATCH_RECORDS - 1):
                yield self._arrived.get_nowait()
        except queue.Empty:
            return

    def _hold(self, message: Message) -> Record:
        self._held[message.message_id] = message
        return self._event_time.record(
            message.data, dict(message.attributes), message.message_id, message.publish_time
        )

    def _give_back(self) -> None:
        """Let others have what is held, at once rather than when the leases run out."""
        for message in [*self._held.values(), *self._take()]:
            message.nack()
        if self._stream is not None:
            self._stream.cancel()
            try:
                self._stream.result(timeout=STOP_SECONDS)
            except (TimeoutError, GoogleAPICallError) as error:
                get_logger().warning("source-stopped-hard", error=repr(error))


def held_source(endpoint: str) -> beam.PTransform[Any, Any]:
    """Read the records that an event service gives."""
    return TestStream(coder=PickleCoder(), endpoint=endpoint)


class Settle(beam.DoFn):
    """Ids of messages that are stored -> nothing; the messages are acknowledged."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription

    def process(self, message_ids: tuple[str, ...]) -> None:
        HeldMessages.by_name[self._subscription].settle(message_ids)


def _elements(records: Sequence[Record]) -> Any:
    coder = PickleCoder()
    elements = [
        Payload.TimestampedElement(encoded_element=coder.encode(record), timestamp=_micros(record.published))
        for record in records
    ]
    return Payload.Event(element_event=Payload.Event.AddElements(elements=elements))


def _watermark(at: float) -> Any:
    advance = Payload.Event.AdvanceWatermark(new_watermark=_micros(at))
    return Payload.Event(watermark_event=advance)


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
