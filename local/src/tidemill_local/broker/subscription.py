"""One subscription's delivery as a pure state machine: no I/O, no protobuf, an injected clock.

A pending message is ready, out on a lease, waiting for its retry, or parked for the dead-letter topic.
The caller writes an ack down first and calls `settle` afterwards, so that nothing is forgotten before it
is durable. Methods that can end a delivery without an ack return the messages concerned: the caller
records their failures, and forwards those for which `is_exhausted` holds.
"""

import heapq
import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator

from tidemill_local.broker.delivery import Clock, Consumer, Delivery, DeliveryPolicy, Lease, Message, Pending
from tidemill_local.broker.lanes import Lanes

INVALID_ACK_ID = "PERMANENT_FAILURE_INVALID_ACK_ID"
UNORDERED_ACK_ID = "TRANSIENT_FAILURE_UNORDERED_ACK_ID"

_FORWARDING_RETRY_SECONDS = 1.0


class Subscription:
    """Messages waiting for, or out with, the consumers of one subscription."""

    def __init__(self, policy: DeliveryPolicy, clock: Clock, lease_ids: Iterator[int]) -> None:
        self.policy = policy
        self._clock = clock
        self._lease_ids = lease_ids
        self._clear()

    def _clear(self) -> None:
        self.pending: dict[int, Pending] = {}
        self._ready: deque[Pending] = deque()
        self._lanes = Lanes()
        self._leased: dict[int, Pending] = {}
        self._expiries: list[tuple[float, int, int]] = []
        self._retries: list[tuple[float, int]] = []

    def add(self, message: Message, failures: int = 0, lease: Lease | None = None) -> None:
        """Take in a message; with `lease`, one that was already out when the broker last stopped."""
        pending = self.pending[message.seq] = Pending(message, failures)
        if lease is not None:
            self._start(pending, lease)
        if self._is_keyed(pending):
            self._lanes.add(pending)
        elif lease is None:
            self._ready.append(pending)

    def reset(self, messages: Iterable[Message]) -> None:
        """Start over with exactly `messages`, none delivered yet (seek)."""
        for pending in list(self._leased.values()):
            self._end_lease(pending)
        self._clear()
        for message in messages:
            self.add(message)

    def has_ready(self, consumer: Consumer) -> bool:
        """Whether any message could go to `consumer` now."""
        return self._peek(consumer) is not None

    def ready_count(self, consumer: Consumer) -> int:
        """Roughly how many messages could go to `consumer` now."""
        return len(self._ready) + self._lanes.ready_count(consumer)

    def take(self, consumer: Consumer, limit: int, limit_bytes: int) -> list[Delivery]:
        """Lease messages to `consumer` as far as its flow control, `limit` and `limit_bytes` allow.

        The first message may be larger than `limit_bytes`, and then comes alone.
        """
        deliveries: list[Delivery] = []
        taken_bytes = 0
        expires_at = self._clock() + consumer.ack_deadline_seconds
        while len(deliveries) < limit and consumer.has_room():
            pending = self._peek(consumer)
            if pending is None or (deliveries and taken_bytes + pending.message.size_bytes > limit_bytes):
                break
            taken_bytes += pending.message.size_bytes
            deliveries.append(self._send(pending, consumer, expires_at))
        return deliveries

    def refusal(self, seq: int, lease_id: int, acked_together: Collection[int] | None = None) -> str | None:
        """Why exactly-once delivery refuses to modify a lease, in Cloud Pub/Sub's words; None if it does not.

        For an ack, `acked_together` are all the messages acked by the same request.
        """
        pending = self.pending.get(seq)
        lease = pending.lease if pending else None
        if not (pending and lease and lease.lease_id == lease_id and lease.expires_at > self._clock()):
            return INVALID_ACK_ID
        if acked_together is None or not self._is_keyed(pending):
            return None
        return None if self._lanes.is_next_to_settle(pending, acked_together) else UNORDERED_ACK_ID

    def ack(self, seq: int) -> list[int]:
        """The sequence numbers this ack settles, for the caller to write down and pass to `settle`.

        Whose delivery it was does not matter here: the work was done.
        """
        pending = self.pending.get(seq)
        if pending is None:
            return []
        if not self._is_keyed(pending):
            return [seq]
        settled = self._lanes.ack(pending)
        if not settled:
            self._end_lease(pending)
        return settled

    def settle(self, seqs: Iterable[int]) -> list[Message]:
        """Forget messages for good; return those that were pending."""
        settled = []
        for seq in seqs:
            pending = self.pending.get(seq)
            if pending is None:
                continue
            self._end_lease(pending)
            if self._is_keyed(pending):
                self._lanes.remove(pending)
            del self.pending[seq]
            settled.append(pending.message)
        return settled

    def modify(self, seq: int, lease_id: int, seconds: float) -> list[Pending]:
        """Extend a lease, or end it with 0 seconds (nack). A superseded lease is left alone."""
        pending = self.pending.get(seq)
        if pending is None or pending.lease is None or pending.lease.lease_id != lease_id:
            return []
        if seconds <= 0:
            self._fail(pending)
            return [pending]
        expires_at = self._clock() + seconds
        is_sooner = expires_at < pending.lease.expires_at
        pending.lease.expires_at = expires_at
        if is_sooner:
            heapq.heappush(self._expiries, (expires_at, seq, lease_id))
        return []

    def release(self, consumer: Consumer) -> list[Pending]:
        """End every lease of a consumer that is gone."""
        return self._fail_all(
            pending
            for pending in self._leased.values()
            if pending.lease and pending.lease.consumer is consumer
        )

    def advance(self) -> list[Pending]:
        """Make due retries ready and end overdue leases."""
        now = self._clock()
        while self._retries and self._retries[0][0] <= now:
            self._resume(heapq.heappop(self._retries)[1])
        overdue = []
        while self._expiries and self._expiries[0][0] <= now:
            _, seq, lease_id = heapq.heappop(self._expiries)
            pending = self._leased.get(seq)
            lease = pending.lease if pending else None
            if pending is None or lease is None or lease.lease_id != lease_id:
                continue
            if lease.expires_at > now:
                heapq.heappush(self._expiries, (lease.expires_at, seq, lease_id))
            else:
                overdue.append(pending)
        return self._fail_all(overdue)

    def next_due(self) -> float:
        """When `advance` may next have something to do; infinity for never."""
        due = [heap[0][0] for heap in (self._expiries, self._retries) if heap]
        return min(due, default=math.inf)

    def retry_forwarding(self, pending: Pending) -> None:
        """Put back an exhausted message whose dead-letter topic did not take it."""
        self._retry_at(pending, self._clock() + _FORWARDING_RETRY_SECONDS)

    def is_exhausted(self, pending: Pending) -> bool:
        """Whether the message has used up its delivery attempts."""
        limit = self.policy.max_delivery_attempts
        return limit is not None and pending.failures >= limit

    def _is_keyed(self, pending: Pending) -> bool:
        return self.policy.ordered and bool(pending.message.ordering_key)

    def _is_ready(self, pending: Pending) -> bool:
        return pending.lease is None and self.pending.get(pending.message.seq) is pending

    def _peek(self, consumer: Consumer) -> Pending | None:
        while self._ready:
            if self._is_ready(self._ready[0]):
                return self._ready[0]
            self._ready.popleft()
        return self._lanes.peek(consumer)

    def _send(self, pending: Pending, consumer: Consumer, expires_at: float) -> Delivery:
        if self._is_keyed(pending):
            self._lanes.send(pending, consumer)
        else:
            self._ready.popleft()
        lease = Lease(next(self._lease_ids), consumer, expires_at)
        self._start(pending, lease)
        attempt = pending.failures + 1 if self.policy.max_delivery_attempts else 0
        return Delivery(pending.message.seq, lease.lease_id, attempt)

    def _start(self, pending: Pending, lease: Lease) -> None:
        pending.lease = lease
        seq = pending.message.seq
        self._leased[seq] = pending
        lease.consumer.outstanding_messages += 1
        lease.consumer.outstanding_bytes += pending.message.size_bytes
        heapq.heappush(self._expiries, (lease.expires_at, seq, lease.lease_id))

    def _end_lease(self, pending: Pending) -> None:
        if pending.lease is None:
            return
        pending.lease.consumer.outstanding_messages -= 1
        pending.lease.consumer.outstanding_bytes -= pending.message.size_bytes
        pending.lease = None
        del self._leased[pending.message.seq]

    def _fail_all(self, candidates: Iterable[Pending]) -> list[Pending]:
        failed = []
        for pending in sorted(candidates, key=lambda each: each.message.seq):
            # An earlier message of the same key may have taken this one back already.
            if pending.lease is not None:
                self._fail(pending)
                failed.append(pending)
        return failed

    def _fail(self, pending: Pending) -> None:
        self._end_lease(pending)
        pending.failures += 1
        if self._is_keyed(pending):
            for later in self._lanes.rewind(pending):
                self._end_lease(later)
        if self.is_exhausted(pending):
            return
        backoff_seconds = self.policy.backoff_seconds(pending.failures)
        if backoff_seconds:
            self._retry_at(pending, self._clock() + backoff_seconds)
        else:
            self._resume(pending.message.seq)

    def _retry_at(self, pending: Pending, due: float) -> None:
        heapq.heappush(self._retries, (due, pending.message.seq))

    def _resume(self, seq: int) -> None:
        pending = self.pending.get(seq)
        if pending is None:
            return
        if self._is_keyed(pending):
            self._lanes.resume(pending)
        else:
            self._ready.append(pending)
