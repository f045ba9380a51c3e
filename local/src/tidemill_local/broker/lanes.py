"""Ordered delivery: one lane per ordering key.

A lane holds its unsettled messages in publish order; a prefix of them is out with one consumer, and
nobody else is served from the lane until that prefix is settled. A failed message takes every later one
of its key back with it, acked or not, as Cloud Pub/Sub does: an ack counts once all earlier ones have.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice

from tidemill_local.broker.delivery import Consumer, Pending


@dataclass(slots=True, eq=False)
class Lane:
    """`sent` messages at the front of `queue` are out with `consumer`; `acked` ones wait for their turn.

    Nothing more is sent while `paused_by`, a failed message, waits for its retry.
    """

    key: str
    queue: deque[Pending] = field(default_factory=deque)
    sent: int = 0
    consumer: Consumer | None = None
    acked: set[int] = field(default_factory=set)
    paused_by: Pending | None = None


class Lanes:
    """All lanes of a subscription, and which of them have something to send to whom."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._free: dict[str, Lane] = {}
        self._bound: dict[Consumer, dict[str, Lane]] = {}

    def add(self, pending: Pending) -> None:
        key = pending.message.ordering_key
        lane = self._lanes.setdefault(key, Lane(key))
        self._unfile(lane)
        if pending.lease is not None and lane.sent == len(lane.queue):
            lane.sent += 1
            lane.consumer = pending.lease.consumer
        lane.queue.append(pending)
        self._file(lane)

    def ready_count(self, consumer: Consumer) -> int:
        """How many messages the lanes that can serve `consumer` have to send."""
        lanes = [*self._free.values(), *self._bound.get(consumer, {}).values()]
        return sum(len(lane.queue) - lane.sent for lane in lanes)

    def peek(self, consumer: Consumer) -> Pending | None:
        """The oldest message that can go to `consumer`; None when no lane can serve it."""
        fronts = [next(iter(lanes.values())) for lanes in (self._free, self._bound.get(consumer)) if lanes]
        candidates = [lane.queue[lane.sent] for lane in fronts]
        return min(candidates, key=lambda pending: pending.message.seq, default=None)

    def send(self, pending: Pending, consumer: Consumer) -> None:
        """Count the message that `peek` returned as sent, and bind its lane to `consumer`."""
        lane = self._lanes[pending.message.ordering_key]
        self._unfile(lane)
        lane.sent += 1
        lane.consumer = consumer
        self._file(lane)

    def is_next_to_settle(self, pending: Pending, acked_together: Collection[int]) -> bool:
        """Whether every earlier message of the key is acked, or is in `acked_together`."""
        lane = self._lanes[pending.message.ordering_key]
        for earlier in lane.queue:
            if earlier is pending:
                return True
            if earlier.message.seq not in lane.acked and earlier.message.seq not in acked_together:
                return False
        return False

    def ack(self, pending: Pending) -> list[int]:
        """Record an ack; return what may now be settled, in order: nothing if it is out of turn."""
        lane = self._lanes[pending.message.ordering_key]
        lane.acked.add(pending.message.seq)
        settled = []
        for candidate in lane.queue:
            if candidate.message.seq not in lane.acked:
                break
            settled.append(candidate.message.seq)
        return settled

    def rewind(self, pending: Pending) -> list[Pending]:
        """Take back `pending` and the later messages of its key, which are returned, and pause the lane."""
        lane = self._lanes[pending.message.ordering_key]
        self._unfile(lane)
        position = lane.queue.index(pending)
        later = list(islice(lane.queue, position + 1, lane.sent))
        lane.acked -= {pending.message.seq, *(other.message.seq for other in later)}
        lane.sent = min(lane.sent, position)
        lane.paused_by = pending
        self._release_if_idle(lane)
        return later

    def resume(self, pending: Pending) -> None:
        """End the pause `pending` put on its lane; none if an earlier message has paused it since."""
        lane = self._lanes[pending.message.ordering_key]
        if lane.paused_by is pending:
            lane.paused_by = None
            self._file(lane)

    def remove(self, pending: Pending) -> None:
        """Forget a settled message."""
        lane = self._lanes[pending.message.ordering_key]
        self._unfile(lane)
        position = lane.queue.index(pending)
        del lane.queue[position]
        lane.acked.discard(pending.message.seq)
        if position < lane.sent:
            lane.sent -= 1
        if lane.paused_by is pending:
            lane.paused_by = None
        self._release_if_idle(lane)
        if lane.queue:
            self._file(lane)
        else:
            del self._lanes[lane.key]

    def _release_if_idle(self, lane: Lane) -> None:
        if lane.sent == 0:
            lane.consumer = None

    def _file(self, lane: Lane) -> None:
        if lane.paused_by or lane.sent == len(lane.queue):
            return
        if lane.consumer is None:
            self._free[lane.key] = lane
        else:
            self._bound.setdefault(lane.consumer, {})[lane.key] = lane

    def _unfile(self, lane: Lane) -> None:
        self._free.pop(lane.key, None)
        if lane.consumer is not None and lane.consumer in self._bound:
            self._bound[lane.consumer].pop(lane.key, None)
            if not self._bound[lane.consumer]:
                del self._bound[lane.consumer]
