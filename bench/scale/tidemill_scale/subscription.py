"""A Pub/Sub subscription and the workers that pull it, as simulated: leases, redelivery, dead letters.

Leases and attempts are those of `tidemill_runtime.consumer` and `tidemill_contracts.topology`. A message
whose work outlasts its lease is delivered again while the first worker goes on; whoever finishes it first
settles it, and later deliveries find the outcome there.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill_contracts.topology import ACK_DEADLINE_SECONDS, MAX_DELIVERY_ATTEMPTS, RETRY_BACKOFF_SECONDS
from tidemill_runtime.consumer import MAX_LEASE_SECONDS
from tidemill_scale.simulated import Clock

# What a delivery takes that finds the outcome there: some reads of the bucket.
LOOK_SECONDS = 0.2


@dataclass(eq=False, slots=True)
class Message:
    """One message: what its work takes, and what became of it."""

    published: float
    size_bytes: float
    deliveries: int = 0
    is_settled: bool = False


@dataclass
class Figures:
    """What a subscription went through. Ages are seconds from publishing to the end of the work."""

    published: int = 0
    settled: int = 0
    dead: int = 0
    most_waiting: int = 0
    worked_seconds: float = 0.0
    wasted_seconds: float = 0.0
    ages: list[float] = field(default_factory=list)

    def percentile_seconds(self, share: float) -> float:
        """Return the age that this share of the messages had at most when they were settled."""
        ordered = sorted(self.ages) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Subscription:
    """`work_seconds` says how long a message takes; `then` hears of each that is settled.

    A worker is killed so many times an hour (an eviction, a node upgrade): its message comes again once its
    deadline has passed, and counts as delivered.
    """

    clock: Clock
    workers: int
    work_seconds: Callable[[Message], float]
    then: Callable[[Message], None] = lambda _: None
    kills_per_worker_hour: float = 0.0
    figures: Figures = field(default_factory=Figures)
    _waiting: deque[Message] = field(default_factory=deque)
    _free: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - to be repeated

    def __post_init__(self) -> None:
        self._free = self.workers

    @property
    def waiting(self) -> int:
        """How many messages no worker has."""
        return len(self._waiting)

    def publish(self, size_bytes: float) -> None:
        """Take a new message."""
        self.figures.published += 1
        self._queue(Message(self.clock.now, size_bytes))

    def _queue(self, message: Message) -> None:
        self._waiting.append(message)
        self.figures.most_waiting = max(self.figures.most_waiting, len(self._waiting))
        self._start()

    def _start(self) -> None:
        while self._free and self._waiting:
            message = self._waiting.popleft()
            message.deliveries += 1
            self._free -= 1
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        seconds = LOOK_SECONDS if message.is_settled else self.work_seconds(message)
        killed_after = self._killed_after()
        if killed_after < seconds:
            self.figures.wasted_seconds += killed_after
            self.clock.after(killed_after, self._release)
            self.clock.after(killed_after + ACK_DEADLINE_SECONDS, lambda: self._again(message))
            return
        if seconds > MAX_LEASE_SECONDS:
            self.clock.after(MAX_LEASE_SECONDS, lambda: self._again(message))
        self.clock.after(seconds, lambda: self._finish(message, seconds))

    def _killed_after(self) -> float:
        rate = self.kills_per_worker_hour / 3600
        return self._dice.expovariate(rate) if rate else float("inf")

    def _finish(self, message: Message, seconds: float) -> None:
        if message.is_settled:
            self.figures.wasted_seconds += seconds
        else:
            message.is_settled = True
            self.figures.settled += 1
            self.figures.worked_seconds += seconds
            self.figures.ages.append(self.clock.now - message.published)
            self.then(message)
        self._release()

    def _again(self, message: Message) -> None:
        if message.deliveries < MAX_DELIVERY_ATTEMPTS:
            self.clock.after(RETRY_BACKOFF_SECONDS[0], lambda: self._queue(message))
        elif not message.is_settled:
            message.is_settled = True
            self.figures.dead += 1

    def _release(self) -> None:
        self._free += 1
        self._start()
