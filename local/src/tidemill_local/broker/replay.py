"""Seek and snapshots: a subscription's settled messages brought back, or its backlog settled at once."""

from collections.abc import Callable
from typing import Any

from tidemill_local.broker import records
from tidemill_local.broker.catalog import detached_error
from tidemill_local.broker.delivery import Message
from tidemill_local.broker.errors import AlreadyExistsError, FailedPreconditionError, InvalidArgumentError
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.names import check_name
from tidemill_local.broker.registry import (
    MICROSECONDS,
    Registry,
    SnapshotRecord,
    SubscriptionRecord,
    now_us,
)
from tidemill_local.broker.retention import Retention
from tidemill_local.broker.wire import Snapshot

SNAPSHOT_SECONDS = 7 * 24 * 3600
MIN_SNAPSHOT_SECONDS = 3600


class Replay:
    """Commits at once, like the catalog, and for the same reason."""

    def __init__(self, registry: Registry, messaging: Messaging, retention: Retention) -> None:
        self._registry = registry
        self._journal = registry.journal
        self._messaging = messaging
        self._retention = retention

    def seek(self, subscription_name: str, request: Any) -> None:
        """Set what is settled to a `SeekRequest`'s time or snapshot; only retained messages come back."""
        subscription = self._registry.subscription(subscription_name)
        if not subscription.is_attached:
            raise detached_error(subscription_name)
        target = request.WhichOneof("target")
        if target == "time":
            self._rewind(subscription, self._retained_since(subscription, request.time.ToMicroseconds()))
        elif target == "snapshot":
            self._rewind(subscription, self._in_snapshot(subscription, request.snapshot))
        else:
            raise InvalidArgumentError(
                "No target was specified in the SeekRequest: expected a time or a snapshot."
            )

    def create_snapshot(self, request: Any) -> SnapshotRecord:
        """Keep what a subscription has not settled, for at most a week less the age of its oldest message."""
        name = check_name("snapshots", request.name)
        if name in self._registry.snapshots:
            raise AlreadyExistsError(name)
        subscription = self._registry.subscription(request.subscription)
        self._journal.flush()
        seq = self._registry.next_seq()
        unacked = frozenset(subscription.delivery.pending)
        expires_at = min(unacked, default=seq) + SNAPSHOT_SECONDS * MICROSECONDS
        if expires_at - seq < MIN_SNAPSHOT_SECONDS * MICROSECONDS:
            raise FailedPreconditionError(
                f"Expected the backlog of {subscription.name} to be at most 6 days and 23 hours old: "
                "a snapshot of it would expire within the hour."
            )
        config = Snapshot(name=name, topic=subscription.config.topic, labels=request.labels)
        config.expire_time.FromMicroseconds(expires_at)
        snapshot = SnapshotRecord(seq, config, subscription.topic, seq, unacked)
        self._journal.commit([records.save_snapshot(snapshot, config)])
        self._registry.snapshots[name] = snapshot
        return snapshot

    def update_snapshot(self, changes: Any, mask: Any) -> SnapshotRecord:
        """Change labels; raises `InvalidArgumentError` for any other field."""
        snapshot = self._registry.snapshot(changes.name)
        if list(mask.paths) != ["labels"]:
            raise InvalidArgumentError(f"Expected update_mask ['labels'], received {list(mask.paths)}.")
        config = Snapshot()
        config.CopyFrom(snapshot.config)
        mask.MergeMessage(changes, config, replace_repeated_field=True)
        self._journal.commit([records.save_snapshot(snapshot, config)])
        snapshot.config = config
        return snapshot

    def delete_snapshot(self, name: str) -> None:
        """What only the snapshot retained is deleted with it."""
        snapshot = self._registry.snapshot(name)
        self._journal.commit([records.drop_snapshot(snapshot)])
        del self._registry.snapshots[name]
        self._retention.prune(snapshot.topic)

    def _retained_since(self, subscription: SubscriptionRecord, since: int) -> Callable[[int], bool]:
        now = now_us()
        pending = subscription.delivery.pending
        floor = now
        if subscription.config.retain_acked_messages:
            floor = max(subscription.first_seq, now - subscription.retention_seconds * MICROSECONDS)
        topic_config = subscription.topic.config
        if topic_config.HasField("message_retention_duration"):
            floor = min(floor, now - topic_config.message_retention_duration.seconds * MICROSECONDS)
        return lambda seq: seq >= since and (seq in pending or seq >= floor)

    def _in_snapshot(self, subscription: SubscriptionRecord, name: str) -> Callable[[int], bool]:
        snapshot = self._registry.snapshot(name)
        if snapshot.topic is not subscription.topic:
            raise FailedPreconditionError(
                f"Expected a snapshot of {subscription.topic.name}, received one of {snapshot.topic.name}."
            )
        return lambda seq: seq in snapshot.unacked or seq >= snapshot.next_seq

    def _rewind(self, subscription: SubscriptionRecord, is_unacked: Callable[[int], bool]) -> None:
        self._journal.flush()
        rows = self._journal.read(
            "SELECT seq, ordering_key, length(payload) FROM messages WHERE topic_id = ? ORDER BY seq",
            subscription.topic.topic_id,
        ).fetchall()
        wanted = {
            row[0]: row for row in rows if is_unacked(row[0]) and self._registry.matches(subscription, row[0])
        }
        subscription.first_seq = min(subscription.first_seq, *wanted, self._registry.last_seq)
        settled = [row[0] for row in rows if row[0] >= subscription.first_seq and row[0] not in wanted]
        self._journal.commit(
            [
                records.save_subscription(subscription, subscription.config),
                records.drop_progress(subscription),
                records.acked(subscription.subscription_id, settled),
            ]
        )
        before = [pending.message for pending in subscription.delivery.pending.values()]
        after = [
            self._hold(seq, size_bytes, ordering_key) for seq, ordering_key, size_bytes in wanted.values()
        ]
        subscription.delivery.reset(after)
        self._messaging.let_go(subscription.topic, before)
        subscription.feed.dispatch()

    def _hold(self, seq: int, size_bytes: int, ordering_key: str) -> Message:
        message = self._registry.messages.setdefault(seq, Message(seq, size_bytes, ordering_key))
        message.holders += 1
        return message
