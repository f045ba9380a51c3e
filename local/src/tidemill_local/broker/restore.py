"""Rebuilds the registry from the journal when the broker starts."""

from array import array
from typing import NamedTuple

from tidemill_local.broker import records
from tidemill_local.broker.catalog import Catalog
from tidemill_local.broker.delivery import Consumer, Lease, Message
from tidemill_local.broker.names import DELETED_TOPIC
from tidemill_local.broker.registry import Registry, SnapshotRecord, SubscriptionRecord, TopicRecord
from tidemill_local.broker.wire import Snapshot, Subscription, Topic


class _Progress(NamedTuple):
    acked: int
    failures: int
    lease_id: int
    lease_until: float


_UNTOUCHED = _Progress(0, 0, 0, 0.0)


def restore(registry: Registry, catalog: Catalog) -> None:
    """Fill an empty registry; messages that nobody holds or retains are deleted from the journal."""
    topics = _restore_topics(registry)
    _restore_subscriptions(registry, catalog, topics)
    _restore_snapshots(registry, topics)
    _restore_messages(registry, topics)


def _restore_topics(registry: Registry) -> dict[int, TopicRecord]:
    topics = {}
    for topic_id, config in registry.journal.read("SELECT id, config FROM topics"):
        topic = topics[topic_id] = TopicRecord(topic_id, Topic.FromString(config))
        registry.topics[topic.name] = topic
        registry.last_seq = max(registry.last_seq, topic_id)
    return topics


def _restore_subscriptions(registry: Registry, catalog: Catalog, topics: dict[int, TopicRecord]) -> None:
    rows = registry.journal.read("SELECT id, topic_id, first_seq, config FROM subscriptions")
    for subscription_id, topic_id, first_seq, config in rows:
        topic = _topic(topics, topic_id)
        catalog.attach(
            catalog.build(subscription_id, Subscription.FromString(config), topic, first_seq=first_seq)
        )
        registry.last_seq = max(registry.last_seq, subscription_id, first_seq)


def _restore_snapshots(registry: Registry, topics: dict[int, TopicRecord]) -> None:
    rows = registry.journal.read("SELECT id, topic_id, next_seq, unacked, config FROM snapshots")
    for snapshot_id, topic_id, next_seq, unacked, config in rows:
        topic = _topic(topics, topic_id)
        snapshot = SnapshotRecord(
            snapshot_id, Snapshot.FromString(config), topic, next_seq, frozenset(array("q", unacked))
        )
        registry.snapshots[snapshot.config.name] = snapshot
        registry.last_seq = max(registry.last_seq, snapshot_id)


def _restore_messages(registry: Registry, topics: dict[int, TopicRecord]) -> None:
    query = "SELECT seq, subscription_id, acked, failures, lease_id, lease_until FROM progress"
    progress = {(row[0], row[1]): _Progress(*row[2:]) for row in registry.journal.read(query)}
    departed = {subscription: Consumer(0.0) for subscription in registry.subscriptions.values()}
    floors = {topic_id: registry.retained_from(topic) for topic_id, topic in topics.items()}
    unheld = []
    rows = registry.journal.read(
        "SELECT seq, topic_id, ordering_key, length(payload) FROM messages ORDER BY seq"
    )
    for seq, topic_id, ordering_key, size_bytes in rows.fetchall():
        message = Message(seq, size_bytes, ordering_key)
        topic = topics.get(topic_id)
        for subscription in topic.subscriptions if topic else ():
            state = progress.get((seq, subscription.subscription_id), _UNTOUCHED)
            if seq >= subscription.first_seq and not state.acked and registry.matches(subscription, seq):
                _hold(registry, subscription, message, state, departed[subscription])
        floor = floors.get(topic_id)
        if message.holders:
            registry.messages[seq] = message
        elif floor is None or seq < floor:
            unheld.append(seq)
        registry.last_seq = max(registry.last_seq, seq)
    registry.journal.commit(records.forget_messages(unheld))
    for subscription in registry.subscriptions.values():
        subscription.feed.dispatch()


def _hold(
    registry: Registry,
    subscription: SubscriptionRecord,
    message: Message,
    state: _Progress,
    departed: Consumer,
) -> None:
    """Exactly-once delivery keeps its leases: their consumers may still be at work."""
    lease = None
    if subscription.delivery.policy.exactly_once and state.lease_until > registry.clock():
        lease = Lease(state.lease_id, departed, state.lease_until)
    message.holders += 1
    subscription.delivery.add(message, state.failures, lease)


def _topic(topics: dict[int, TopicRecord], topic_id: int) -> TopicRecord:
    """The topic, or a stand-in for a deleted one that subscriptions or snapshots still refer to."""
    return topics.setdefault(topic_id, TopicRecord(topic_id, Topic(name=DELETED_TOPIC)))
