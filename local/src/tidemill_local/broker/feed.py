"""A subscription's consumers: who waits for messages, who is woken next, who has just left.

The longest-waiting consumer with room is served first and nobody takes more than a fair share, so
consumers of one subscription divide its messages evenly.
"""

import asyncio
import math
from collections.abc import Callable

from tidemill_local.broker.delivery import Clock, Consumer, Delivery, Pending
from tidemill_local.broker.errors import BrokerError
from tidemill_local.broker.subscription import Subscription

RETURN_GRACE_SECONDS = 0.5
MAX_BATCH_BYTES = 1024 * 1024


class Feed:
    """Joins a `Subscription` to the event loop. `on_failed` hears of deliveries that ended without an ack."""

    def __init__(
        self, delivery: Subscription, clock: Clock, on_failed: Callable[[list[Pending]], object]
    ) -> None:
        self.delivery = delivery
        self._clock = clock
        self._on_failed = on_failed
        self._joined: set[Consumer] = set()
        self._waiting: dict[Consumer, asyncio.Future[None]] = {}
        self._departed: dict[str, Consumer] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf
        self._closed_by: BrokerError | None = None

    @property
    def is_consumed(self) -> bool:
        """Whether any consumer is connected."""
        return bool(self._joined)

    def join(self, consumer: Consumer) -> Consumer:
        """Let a consumer in; one whose client id left a moment ago gets its leases back.

        Returns the consumer to use from here on.
        """
        returned = self._departed.pop(consumer.client_id, None)
        if returned is not None:
            returned.ack_deadline_seconds = consumer.ack_deadline_seconds
            returned.max_messages, returned.max_bytes = consumer.max_messages, consumer.max_bytes
            consumer = returned
        self._joined.add(consumer)
        return consumer

    def leave(self, consumer: Consumer) -> None:
        """A pull was answered: its leases live on."""
        self._joined.discard(consumer)

    def lose(self, consumer: Consumer) -> None:
        """A stream ended: free its messages, after a grace period if its client may come back.

        Exactly-once delivery has promised the whole ack deadline, and keeps to it.
        """
        self._joined.discard(consumer)
        if self.delivery.policy.exactly_once or self._closed_by is not None:
            return
        if consumer.client_id:
            self._departed[consumer.client_id] = consumer
            asyncio.get_running_loop().call_later(RETURN_GRACE_SECONDS, self._abandon, consumer)
        else:
            self._release(consumer)

    async def take(self, consumer: Consumer, limit: int, patience_seconds: float | None) -> list[Delivery]:
        """Lease up to `limit` messages to `consumer`, waiting for the first; none if patience runs out.

        Raises:
            BrokerError: what `close` was called with, once the subscription is gone.
        """
        try:
            async with asyncio.timeout(patience_seconds):
                while not (batch := self._take_share(consumer, limit)) and patience_seconds != 0:
                    await self._wait(consumer)
        except TimeoutError:
            return []
        return batch

    def _take_share(self, consumer: Consumer, limit: int) -> list[Delivery]:
        if self._closed_by is not None:
            raise self._closed_by
        share = math.ceil(self.delivery.ready_count(consumer) / self._sharing())
        batch = self.delivery.take(consumer, min(limit, share), MAX_BATCH_BYTES)
        if batch:
            self.dispatch()
        return batch

    def dispatch(self) -> None:
        """Wake a consumer that can be served, if any, and set the clock for the next expiry or retry."""
        for consumer, waiting in self._waiting.items():
            if consumer.has_room() and self.delivery.has_ready(consumer):
                del self._waiting[consumer]
                if not waiting.done():
                    waiting.set_result(None)
                break
        self._set_timer()

    def close(self, error: BrokerError) -> None:
        """End every consumer with `error`, now and from now on; what they held is not held against it."""
        self._closed_by = error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    async def _wait(self, consumer: Consumer) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[consumer] = waiting
        try:
            await waiting
        except asyncio.CancelledError:
            # The wake-up was perhaps this consumer's; pass it on.
            self._waiting.pop(consumer, None)
            self.dispatch()
            raise

    def _sharing(self) -> int:
        return max(1, sum(1 for consumer in self._joined if consumer.has_room()))

    def _abandon(self, consumer: Consumer) -> None:
        if self._departed.get(consumer.client_id) is consumer and self._closed_by is None:
            del self._departed[consumer.client_id]
            self._release(consumer)

    def _release(self, consumer: Consumer) -> None:
        self._report(self.delivery.release(consumer))

    def _advance(self) -> None:
        self._timer = None
        self._timer_due = math.inf
        self._report(self.delivery.advance())

    def _report(self, failed: list[Pending]) -> None:
        if failed:
            self._on_failed(failed)
        self.dispatch()

    def _set_timer(self) -> None:
        due = self.delivery.next_due()
        if self._closed_by is not None or due >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._advance)
