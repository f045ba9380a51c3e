"""Everything the broker knows while it runs: topics, subscriptions, snapshots and unsettled messages."""

import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tidemill_local.broker.delivery import Clock, Message
from tidemill_local.broker.errors import NotFoundError, UnavailableError
from tidemill_local.broker.feed import Feed
from tidemill_local.broker.filters import Predicate
from tidemill_local.broker.journal import Journal
from tidemill_local.broker.names import DELETED_TOPIC, check_name
from tidemill_local.broker.payloads import Payloads
from tidemill_local.broker.subscription import Subscription
from tidemill_local.broker.wire import PubsubMessage

MICROSECONDS = 1_000_000


@dataclass(slots=True, eq=False)
class TopicRecord:
    """A topic; it outlives its deletion while subscriptions still drain it."""

    topic_id: int
    config: Any
    subscriptions: list["SubscriptionRecord"] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.config.name)

    @property
    def is_deleted(self) -> bool:
        return self.name == DELETED_TOPIC


@dataclass(slots=True, eq=False)
class SubscriptionRecord:
    """A subscription: its configuration, and the feed that delivers. `first_seq` is the oldest it may see."""

    subscription_id: int
    config: Any
    topic: TopicRecord
    first_seq: int
    matches: Predicate
    feed: Feed
    last_used: float
    is_attached: bool = True

    @property
    def name(self) -> str:
        return str(self.config.name)

    @property
    def delivery(self) -> Subscription:
        return self.feed.delivery

    @property
    def retention_seconds(self) -> int:
        return int(self.config.message_retention_duration.seconds)


@dataclass(slots=True, eq=False)
class SnapshotRecord:
    """What a subscription had not settled: `unacked`, and everything from `next_seq` on."""

    snapshot_id: int
    config: Any
    topic: TopicRecord
    next_seq: int
    unacked: frozenset[int]

    @property
    def oldest_seq(self) -> int:
        return min(self.unacked, default=self.next_seq)


class Registry:
    """The shared state of the broker, with the journal and the payloads behind it."""

    def __init__(self, journal: Journal, payloads: Payloads, clock: Clock) -> None:
        self.journal = journal
        self.payloads = payloads
        self.clock = clock
        self.topics: dict[str, TopicRecord] = {}
        self.subscriptions: dict[str, SubscriptionRecord] = {}
        self.snapshots: dict[str, SnapshotRecord] = {}
        self.messages: dict[int, Message] = {}
        self.last_seq = 0
        # Starting from the time keeps lease ids unique across restarts.
        self.lease_ids = count(now_us())

    def next_seq(self) -> int:
        """A new message or resource number: the time in microseconds, made strictly increasing."""
        self.last_seq = max(self.last_seq + 1, now_us())
        return self.last_seq

    def topic(self, name: str) -> TopicRecord:
        """The topic called `name`; raises `NotFoundError`, or `InvalidArgumentError` for a malformed name."""
        topic = self.topics.get(name)
        if topic is None:
            raise NotFoundError(check_name("topics", name))
        return topic

    def subscription(self, name: str) -> SubscriptionRecord:
        """The subscription called `name`; raises like `topic`. Counts as a use of it."""
        subscription = self.subscriptions.get(name)
        if subscription is None:
            raise NotFoundError(check_name("subscriptions", name))
        subscription.last_used = self.clock()
        return subscription

    def snapshot(self, name: str) -> SnapshotRecord:
        """The snapshot called `name`; raises like `topic`."""
        snapshot = self.snapshots.get(name)
        if snapshot is None:
            raise NotFoundError(check_name("snapshots", name))
        return snapshot

    def matches(self, subscription: SubscriptionRecord, seq: int) -> bool:
        """Whether a stored message passes the subscription's filter."""
        payload = self.payloads.get(seq) if subscription.config.filter else None
        return payload is None or subscription.matches(PubsubMessage.FromString(payload).attributes)

    def snapshots_of(self, topic: TopicRecord) -> list[SnapshotRecord]:
        """The snapshots that hold messages of `topic`."""
        return [snapshot for snapshot in self.snapshots.values() if snapshot.topic is topic]

    def close(self) -> None:
        """End all streams and waiting pulls with UNAVAILABLE, upon which clients connect again."""
        for subscription in self.subscriptions.values():
            subscription.feed.close(UnavailableError("The broker is shutting down; connect again."))

    def backlog(self) -> list[tuple[str, int]]:
        """The name and number of unsettled messages of each subscription."""
        return [(name, len(each.delivery.pending)) for name, each in list(self.subscriptions.items())]

    def retained_from(self, topic: TopicRecord) -> int | None:
        """The sequence number from which settled messages of `topic` are kept; None if they are not."""
        now = now_us()
        floors = [snapshot.oldest_seq for snapshot in self.snapshots_of(topic)]
        if topic.config.HasField("message_retention_duration"):
            floors.append(now - topic.config.message_retention_duration.seconds * MICROSECONDS)
        floors += [
            now - subscription.retention_seconds * MICROSECONDS
            for subscription in topic.subscriptions
            if subscription.config.retain_acked_messages
        ]
        return min(floors, default=None)


def now_us() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1_000
