"""`StreamingPull`: one task sends messages as flow control allows, another reads acks and deadlines."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from tidemill_local.broker.delivery import Consumer
from tidemill_local.broker.errors import NOT_APPLIED, AckIdError, InvalidArgumentError, UnavailableError
from tidemill_local.broker.messaging import Messaging, Received
from tidemill_local.broker.registry import Registry, SubscriptionRecord
from tidemill_local.broker.subscription import INVALID_ACK_ID, UNORDERED_ACK_ID
from tidemill_local.broker.wire import StreamingPullResponse

MAX_BATCH_MESSAGES = 100


class StreamingPull:
    """Serves the streams of all subscriptions."""

    def __init__(self, registry: Registry, messaging: Messaging) -> None:
        self._registry = registry
        self._messaging = messaging

    async def run(self, requests: AsyncIterator[Any], context: Any) -> None:
        """Serve one stream until the client or the feed of its subscription ends it.

        Raises:
            BrokerError: what the client is told.
        """
        first = await anext(requests, None)
        if first is None:
            return
        subscription = self._registry.subscription(first.subscription)
        consumer = subscription.feed.join(_consumer(first))
        stream = _Stream(self._messaging, subscription, consumer, context)
        try:
            await _first_to_end(stream.send(), stream.listen(first, requests))
        finally:
            subscription.feed.lose(consumer)


class _Stream:
    """One open stream."""

    def __init__(
        self, messaging: Messaging, subscription: SubscriptionRecord, consumer: Consumer, context: Any
    ) -> None:
        self._messaging = messaging
        self._subscription = subscription
        self._consumer = consumer
        self._context = context
        # gRPC permits one write at a time, and both tasks write.
        self._writing = asyncio.Lock()

    async def send(self) -> None:
        while True:
            received = await self._messaging.receive(self._subscription, self._consumer, MAX_BATCH_MESSAGES)
            await self._write(add_received(self._response(), received))

    async def listen(self, first: Any, requests: AsyncIterator[Any]) -> None:
        await self._handle(first)
        async for request in requests:
            _check_later_request(request)
            if request.stream_ack_deadline_seconds:
                self._consumer.ack_deadline_seconds = _ack_deadline_seconds(request)
            await self._handle(request)

    async def _handle(self, request: Any) -> None:
        seconds, modified = request.modify_deadline_seconds, request.modify_deadline_ack_ids
        if len(seconds) != len(modified):
            raise InvalidArgumentError(
                f"Expected {len(modified)} modify_deadline_seconds, one per ack id, received {len(seconds)}."
            )
        if any(not 0 <= each <= 600 for each in seconds):
            raise InvalidArgumentError(
                f"Expected modify_deadline_seconds of 0 to 600, received {list(seconds)[:20]}."
            )
        response = self._response()
        if request.ack_ids:
            acks = self._messaging.acknowledge(self._subscription, request.ack_ids)
            await _confirm(acks, request.ack_ids, response.acknowledge_confirmation)
        if modified:
            changes = self._messaging.modify_deadlines(
                self._subscription, zip(modified, seconds, strict=True)
            )
            await _confirm(changes, modified, response.modify_ack_deadline_confirmation)
        if self._subscription.delivery.policy.exactly_once and (request.ack_ids or modified):
            await self._write(response)

    async def _write(self, response: Any) -> None:
        async with self._writing:
            await self._context.write(response)

    def _response(self) -> Any:
        response = StreamingPullResponse()
        policy = self._subscription.delivery.policy
        response.subscription_properties.exactly_once_delivery_enabled = policy.exactly_once
        response.subscription_properties.message_ordering_enabled = policy.ordered
        return response


def add_received(response: Any, received: Iterable[Received]) -> Any:
    """Put messages into a pull response of either kind, and return it."""
    for ack_id, payload, attempt in received:
        entry = response.received_messages.add(ack_id=ack_id, delivery_attempt=attempt)
        entry.message.ParseFromString(payload)
    return response


async def _first_to_end(*steps: Any) -> None:
    """Run all; when one ends, cancel the others and end the same way."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _confirm(outcome: Any, ack_ids: Iterable[str], confirmation: Any) -> None:
    """Await an operation and sort its ack ids into the lists of a confirmation."""
    try:
        await outcome
    except AckIdError as error:
        for ack_id, reason in error.reasons.items():
            getattr(confirmation, _CONFIRMATION_LIST[reason]).append(ack_id)
    except UnavailableError:
        confirmation.temporary_failed_ack_ids.extend(ack_ids)
    else:
        confirmation.ack_ids.extend(ack_ids)


_CONFIRMATION_LIST = {
    INVALID_ACK_ID: "invalid_ack_ids",
    UNORDERED_ACK_ID: "unordered_ack_ids",
    NOT_APPLIED: "temporary_failed_ack_ids",
}


def _consumer(first: Any) -> Consumer:
    return Consumer(
        ack_deadline_seconds=_ack_deadline_seconds(first),
        max_messages=first.max_outstanding_messages,
        max_bytes=first.max_outstanding_bytes,
        client_id=first.client_id,
    )


def _ack_deadline_seconds(request: Any) -> float:
    seconds = float(request.stream_ack_deadline_seconds)
    if not 10 <= seconds <= 600:
        raise InvalidArgumentError(
            f"Expected stream_ack_deadline_seconds of 10 to 600, received {seconds:g}."
        )
    return seconds


def _check_later_request(request: Any) -> None:
    fixed = ("subscription", "max_outstanding_messages", "max_outstanding_bytes", "protocol_version")
    received = [field for field in fixed if getattr(request, field)]
    if received:
        raise InvalidArgumentError(f"Only the first request of a stream may set: {', '.join(received)}.")
