"""The SQL the broker writes: one function per fact it records."""

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tidemill_local.broker.delivery import Pending
from tidemill_local.broker.journal import Statement

if TYPE_CHECKING:
    from tidemill_local.broker.registry import SnapshotRecord, SubscriptionRecord, TopicRecord


def save_topic(topic: "TopicRecord", config: Any) -> Statement:
    row = (topic.topic_id, config.SerializeToString())
    return Statement("INSERT OR REPLACE INTO topics VALUES (?, ?)", [row])


def drop_topic(topic: "TopicRecord") -> Statement:
    return Statement("DELETE FROM topics WHERE id = ?", [(topic.topic_id,)])


def save_subscription(subscription: "SubscriptionRecord", config: Any) -> Statement:
    row = (
        subscription.subscription_id,
        subscription.topic.topic_id,
        subscription.first_seq,
        config.SerializeToString(),
    )
    return Statement("INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)", [row])


def drop_subscription(subscription: "SubscriptionRecord") -> Statement:
    return Statement("DELETE FROM subscriptions WHERE id = ?", [(subscription.subscription_id,)])


def drop_progress(subscription: "SubscriptionRecord") -> Statement:
    return Statement("DELETE FROM progress WHERE subscription_id = ?", [(subscription.subscription_id,)])


def save_snapshot(snapshot: "SnapshotRecord", config: Any) -> Statement:
    unacked = array("q", sorted(snapshot.unacked)).tobytes()
    row = (
        snapshot.snapshot_id,
        snapshot.topic.topic_id,
        snapshot.next_seq,
        unacked,
        config.SerializeToString(),
    )
    return Statement("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", [row])


def drop_snapshot(snapshot: "SnapshotRecord") -> Statement:
    return Statement("DELETE FROM snapshots WHERE id = ?", [(snapshot.snapshot_id,)])


def store_messages(rows: Sequence[tuple[int, int, str, bytes]]) -> Statement:
    """Rows of sequence number, topic id, ordering key and payload."""
    return Statement("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)


def forget_messages(seqs: Iterable[int]) -> list[Statement]:
    keys = [(seq,) for seq in seqs]
    return [
        Statement("DELETE FROM messages WHERE seq = ?", keys),
        Statement("DELETE FROM progress WHERE seq = ?", keys),
    ]


def acked(subscription_id: int, seqs: Iterable[int]) -> Statement:
    return Statement(
        "INSERT INTO progress (seq, subscription_id, acked) VALUES (?, ?, 1)"
        " ON CONFLICT DO UPDATE SET acked = 1",
        [(seq, subscription_id) for seq in seqs],
    )


def delivered(subscription_id: int, deliveries: Iterable[Pending]) -> Statement:
    """How often each delivery has failed, and the lease it is out on, if any."""
    rows = []
    for pending in deliveries:
        lease = pending.lease
        lease_columns = (lease.lease_id, lease.expires_at) if lease else (0, 0.0)
        rows.append((pending.message.seq, subscription_id, pending.failures, *lease_columns))
    return Statement(
        "INSERT INTO progress (seq, subscription_id, failures, lease_id, lease_until) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET failures = excluded.failures, lease_id = excluded.lease_id,"
        " lease_until = excluded.lease_until",
        rows,
    )
