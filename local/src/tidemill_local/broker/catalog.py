"""Topics and subscriptions as resources: created, changed, detached and deleted.

These operations are rare, so each commits at once; none of them awaits, and so none can interleave.
"""

from typing import Any

from tidemill_local.broker import configs, records
from tidemill_local.broker.errors import (
    AlreadyExistsError,
    BrokerError,
    FailedPreconditionError,
    NotFoundError,
    UnsupportedError,
)
from tidemill_local.broker.feed import Feed
from tidemill_local.broker.filters import compile_filter
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.names import DELETED_TOPIC
from tidemill_local.broker.registry import Registry, SubscriptionRecord, TopicRecord
from tidemill_local.broker.retention import Retention
from tidemill_local.broker.subscription import Subscription
from tidemill_local.broker.wire import Topic


class Catalog:
    """The resources of the broker. Configurations go in and out as `Topic` and `Subscription` messages."""

    def __init__(self, registry: Registry, messaging: Messaging, retention: Retention) -> None:
        self._registry = registry
        self._journal = registry.journal
        self._messaging = messaging
        self._retention = retention

    def create_topic(self, requested: Any) -> TopicRecord:
        """Raises `BrokerError` if the configuration is refused or the name is taken."""
        topic = TopicRecord(self._registry.next_seq(), configs.topic_config(requested))
        _refuse_existing(self._registry.topics, topic.name)
        self._journal.commit([records.save_topic(topic, topic.config)])
        self._registry.topics[topic.name] = topic
        return topic

    def update_topic(self, changes: Any, mask: Any) -> TopicRecord:
        """Change the masked fields; raises `BrokerError` if one is unknown, fixed or out of range."""
        topic = self._registry.topic(changes.name)
        config = configs.merge_topic(topic.config, changes, mask)
        self._journal.commit([records.save_topic(topic, config)])
        topic.config = config
        self._retention.prune(topic)
        return topic

    def delete_topic(self, name: str) -> None:
        """Subscriptions and snapshots of the topic stay, and keep what they have not settled."""
        topic = self._registry.topic(name)
        statements = [records.drop_topic(topic)]
        orphans = [each for each in self._registry.subscriptions.values() if each.topic is topic]
        for subscription in orphans:
            subscription.config.topic = DELETED_TOPIC
            statements.append(records.save_subscription(subscription, subscription.config))
        for snapshot in self._registry.snapshots_of(topic):
            snapshot.config.topic = DELETED_TOPIC
            statements.append(records.save_snapshot(snapshot, snapshot.config))
        self._journal.commit(statements)
        del self._registry.topics[name]
        topic.config = Topic(name=DELETED_TOPIC)
        self._retention.prune(topic)

    def create_subscription(self, requested: Any) -> SubscriptionRecord:
        """Raises `BrokerError` if the configuration is refused, the name taken or a topic missing."""
        config = configs.subscription_config(requested)
        _refuse_existing(self._registry.subscriptions, config.name)
        topic = self._registry.topic(config.topic)
        self._check_dead_letter_topic(config)
        seq = self._registry.next_seq()
        subscription = self.build(seq, config, topic, first_seq=seq)
        self._journal.commit([records.save_subscription(subscription, config)])
        self.attach(subscription)
        return subscription

    def update_subscription(self, changes: Any, mask: Any) -> SubscriptionRecord:
        """Change the masked fields; raises `BrokerError` if one is unknown, fixed, or refused."""
        subscription = self._registry.subscription(changes.name)
        config = configs.merge_subscription(subscription.config, changes, mask)
        self._check_dead_letter_topic(config)
        self._journal.commit([records.save_subscription(subscription, config)])
        subscription.config = config
        subscription.delivery.policy = configs.delivery_policy(config)
        subscription.feed.dispatch()
        return subscription

    def modify_push_config(self, name: str, push_config: Any) -> None:
        """Pull subscriptions may be told again that they are pull; push is refused."""
        self._registry.subscription(name)
        if push_config.ListFields():
            raise UnsupportedError(f"Push delivery to {push_config.push_endpoint!r}")

    def delete_subscription(self, name: str) -> None:
        """Its consumers end with NOT_FOUND; its messages go unless others hold them."""
        subscription = self._registry.subscription(name)
        self._journal.commit([records.drop_subscription(subscription), records.drop_progress(subscription)])
        del self._registry.subscriptions[name]
        self._close(subscription, NotFoundError(name))

    def detach_subscription(self, name: str) -> None:
        """The subscription stays, receives nothing more and refuses to be pulled."""
        subscription = self._registry.subscription(name)
        config = type(subscription.config)()
        config.CopyFrom(subscription.config)
        config.detached = True
        self._journal.commit(
            [records.save_subscription(subscription, config), records.drop_progress(subscription)]
        )
        subscription.config = config
        self._close(subscription, detached_error(name))

    def build(
        self, subscription_id: int, config: Any, topic: TopicRecord, *, first_seq: int
    ) -> SubscriptionRecord:
        """A subscription at rest, from a checked configuration."""
        registry = self._registry
        delivery = Subscription(configs.delivery_policy(config), registry.clock, registry.lease_ids)
        feed = Feed(delivery, registry.clock, lambda failed: self._messaging.failed(subscription, failed))
        subscription = SubscriptionRecord(
            subscription_id=subscription_id,
            config=config,
            topic=topic,
            first_seq=first_seq,
            matches=compile_filter(config.filter) if config.filter else lambda _: True,
            feed=feed,
            last_used=registry.clock(),
        )
        return subscription

    def attach(self, subscription: SubscriptionRecord) -> None:
        """Put a subscription to work, or on show if it is detached."""
        self._registry.subscriptions[subscription.name] = subscription
        if subscription.config.detached:
            subscription.is_attached = False
            subscription.feed.close(detached_error(subscription.name))
        else:
            subscription.topic.subscriptions.append(subscription)

    def _check_dead_letter_topic(self, config: Any) -> None:
        if config.HasField("dead_letter_policy"):
            self._registry.topic(config.dead_letter_policy.dead_letter_topic)

    def _close(self, subscription: SubscriptionRecord, error: BrokerError) -> None:
        subscription.feed.close(error)
        if not subscription.is_attached:
            return
        subscription.is_attached = False
        subscription.topic.subscriptions.remove(subscription)
        held = [pending.message for pending in subscription.delivery.pending.values()]
        subscription.delivery.reset([])
        self._messaging.let_go(subscription.topic, held)
        if subscription.config.retain_acked_messages:
            self._retention.prune(subscription.topic)


def detached_error(name: str) -> FailedPreconditionError:
    """What consumers of a detached subscription are told."""
    return FailedPreconditionError(f"Subscription is detached (resource={name.rpartition('/')[2]}).")


def _refuse_existing(records_by_name: dict[str, Any], name: str) -> None:
    if name in records_by_name:
        raise AlreadyExistsError(name)
