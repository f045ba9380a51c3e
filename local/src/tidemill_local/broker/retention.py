"""What time takes away: old messages, expired snapshots, idle subscriptions."""

from collections.abc import Callable
from itertools import takewhile

from google.protobuf import timestamp_pb2

from tidemill_local.broker import records
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.registry import MICROSECONDS, Registry, SubscriptionRecord, TopicRecord, now_us

SWEEP_SECONDS = 60.0


class Retention:
    """Applies retention periods and expirations; `sweep` is called every `SWEEP_SECONDS`."""

    def __init__(self, registry: Registry, messaging: Messaging) -> None:
        self._registry = registry
        self._messaging = messaging

    def sweep(
        self, delete_subscription: Callable[[str], None], delete_snapshot: Callable[[str], None]
    ) -> None:
        """One round over everything."""
        registry = self._registry
        for name in [
            name for name, each in registry.snapshots.items() if self._is_past(each.config.expire_time)
        ]:
            delete_snapshot(name)
        for name in [name for name, each in registry.subscriptions.items() if self._is_idle(each)]:
            delete_subscription(name)
        for subscription in registry.subscriptions.values():
            self._expire_unacked(subscription)
        for topic in registry.topics.values():
            if registry.retained_from(topic) is not None:
                self.prune(topic)

    def prune(self, topic: TopicRecord) -> None:
        """Delete the messages of a topic that nobody holds or retains any more."""
        self._registry.journal.flush()
        floor = self._registry.retained_from(topic)
        query = "SELECT seq FROM messages WHERE seq < ? AND topic_id = ?"
        before = self._registry.last_seq + 1 if floor is None else floor
        seqs = [seq for (seq,) in self._registry.journal.read(query, before, topic.topic_id)]
        unheld = [seq for seq in seqs if seq not in self._registry.messages]
        if unheld:
            self._registry.journal.commit(records.forget_messages(unheld))

    def _expire_unacked(self, subscription: SubscriptionRecord) -> None:
        retention_seconds = max(
            subscription.retention_seconds, subscription.topic.config.message_retention_duration.seconds
        )
        oldest = now_us() - retention_seconds * MICROSECONDS
        expired = list(takewhile(lambda seq: seq < oldest, subscription.delivery.pending))
        if expired:
            settlement = self._messaging.settlement(subscription, expired)
            self._registry.journal.commit(settlement.statements)
            self._messaging.settle(subscription, settlement)

    def _is_idle(self, subscription: SubscriptionRecord) -> bool:
        if subscription.feed.is_consumed:
            subscription.last_used = self._registry.clock()
        ttl_seconds: int = subscription.config.expiration_policy.ttl.seconds
        return 0 < ttl_seconds < self._registry.clock() - subscription.last_used

    def _is_past(self, expire_time: timestamp_pb2.Timestamp) -> bool:
        return bool(expire_time.ToMicroseconds() < now_us())
