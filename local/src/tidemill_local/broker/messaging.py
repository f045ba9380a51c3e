"""What happens to a message: published, delivered, acknowledged, failed, forwarded as a dead letter."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tidemill_local.broker import envelope, records
from tidemill_local.broker.delivery import Consumer, Delivery, Message, Pending
from tidemill_local.broker.errors import NOT_APPLIED, AckIdError, InvalidArgumentError
from tidemill_local.broker.journal import Statement
from tidemill_local.broker.metrics import Metrics
from tidemill_local.broker.registry import Registry, SubscriptionRecord, TopicRecord
from tidemill_runtime.logs import get_logger


class Received(NamedTuple):
    """A message on its way to a consumer."""

    ack_id: str
    payload: bytes
    attempt: int


class _Outgoing(NamedTuple):
    message: Message
    payload: bytes
    subscriptions: Sequence[SubscriptionRecord]


class Settlement(NamedTuple):
    """Statements that settle messages: `sole` ones are deleted, `shared` ones others still hold or retain."""

    statements: list[Statement]
    shared: list[int]
    sole: list[int]


class Messaging:
    """The life of a message. Every step is in the journal before it has an effect."""

    def __init__(self, registry: Registry, metrics: Metrics) -> None:
        self._registry = registry
        self._journal = registry.journal
        self._metrics = metrics

    async def publish(self, topic_name: str, messages: Sequence[Any], request_bytes: int) -> list[str]:
        """Publish `PubsubMessage`s; returns their ids once they are durable.

        Raises:
            BrokerError: the topic is missing, a limit is exceeded, or the file cannot be written.
        """
        topic = self._registry.topic(topic_name)
        envelope.check_publish(messages, request_bytes)
        outgoing = [self._address(topic, message) for message in messages]
        ids = [str(each.message.seq) for each in outgoing]
        is_retained = self._registry.retained_from(topic) is not None
        kept = outgoing if is_retained else [each for each in outgoing if each.subscriptions]
        if kept:
            await self._journal.write([self._stored(topic, kept)], partial(self._fan_out, kept))
        self._metrics.published.inc(len(ids))
        return ids

    async def receive(
        self,
        subscription: SubscriptionRecord,
        consumer: Consumer,
        limit: int,
        patience_seconds: float | None = None,
    ) -> list[Received]:
        """Up to `limit` messages for `consumer`, waiting for the first; none only if patience runs out."""
        deliveries = await subscription.feed.take(consumer, limit, patience_seconds)
        if deliveries and subscription.delivery.policy.exactly_once:
            await self._record_leases(subscription, (delivery.seq for delivery in deliveries))
        self._metrics.delivered.inc(len(deliveries))
        return [each for delivery in deliveries if (each := self._load(subscription, delivery))]

    async def acknowledge(self, subscription: SubscriptionRecord, ack_ids: Iterable[str]) -> None:
        """Settle messages, durably.

        Raises:
            AckIdError: exactly-once delivery refused some ids; nothing was settled.
        """
        acks = {ack_id: parse_ack_id(subscription, ack_id) for ack_id in ack_ids}
        _refuse_stale(subscription, acks, {seq for seq, _ in acks.values()})
        settled = [settled for seq, _ in acks.values() for settled in subscription.delivery.ack(seq)]
        if settled:
            self._metrics.acknowledged.inc(len(settled))
            settlement = self.settlement(subscription, settled)
            await self._journal.write(settlement.statements, partial(self.settle, subscription, settlement))

    async def modify_deadlines(
        self, subscription: SubscriptionRecord, changes: Iterable[tuple[str, int]]
    ) -> None:
        """Extend leases, or give messages back (0 seconds); raises like `acknowledge`."""
        leases = {ack_id: (*parse_ack_id(subscription, ack_id), seconds) for ack_id, seconds in changes}
        _refuse_stale(subscription, {ack_id: lease[:2] for ack_id, lease in leases.items()}, None)
        failed = [pending for lease in leases.values() for pending in subscription.delivery.modify(*lease)]
        recorded = self.failed(subscription, failed) if failed else None
        subscription.feed.dispatch()
        if recorded is not None:
            await recorded
        if subscription.delivery.policy.exactly_once:
            await self._record_leases(subscription, (seq for seq, _, _ in leases.values()))

    def failed(self, subscription: SubscriptionRecord, failed: Sequence[Pending]) -> asyncio.Future[None]:
        """Record deliveries that ended without an ack; forward those that were the last attempt.

        Returns a future that ends once they are recorded.
        """
        self._metrics.failed.inc(len(failed))
        delivery = subscription.delivery
        is_counted = delivery.policy.max_delivery_attempts or delivery.policy.exactly_once
        statements = [records.delivered(subscription.subscription_id, failed)] if is_counted else []
        recorded = self._write(statements)
        for pending in failed:
            if delivery.is_exhausted(pending):
                self._forward(subscription, pending)
        return recorded

    def settlement(self, subscription: SubscriptionRecord, seqs: Iterable[int]) -> Settlement:
        """How to write down that `subscription` is done with messages; `settle` is the effect."""
        shared: list[int] = []
        sole: list[int] = []
        floor = self._registry.retained_from(subscription.topic)
        for seq in seqs:
            message = self._registry.messages.get(seq)
            is_kept = message is None or message.holders > 1 or (floor is not None and seq >= floor)
            (shared if is_kept else sole).append(seq)
        statements = [records.acked(subscription.subscription_id, shared)] if shared else []
        if sole:
            statements += records.forget_messages(sole)
        return Settlement(statements, shared, sole)

    def settle(self, subscription: SubscriptionRecord, settlement: Settlement) -> None:
        """Let go of messages whose settlement is written."""
        subscription.delivery.settle(settlement.sole)
        shared = subscription.delivery.settle(settlement.shared)
        for seq in settlement.sole:
            self._registry.messages.pop(seq, None)
            self._registry.payloads.drop(seq)
        self.let_go(subscription.topic, shared)
        subscription.feed.dispatch()

    def let_go(self, topic: TopicRecord, messages: Iterable[Message]) -> None:
        """One holder fewer for each message; without any it is forgotten, unless the topic retains it."""
        floor = self._registry.retained_from(topic)
        forgotten = []
        for message in messages:
            message.holders -= 1
            if message.holders == 0:
                self._registry.messages.pop(message.seq, None)
                self._registry.payloads.drop(message.seq)
                if floor is None or message.seq < floor:
                    forgotten.append(message.seq)
        if forgotten:
            self._write(records.forget_messages(forgotten))

    def _address(self, topic: TopicRecord, message: Any) -> _Outgoing:
        seq = self._registry.next_seq()
        payload = envelope.stamp(message, seq)
        subscriptions = [each for each in topic.subscriptions if each.matches(message.attributes)]
        return _Outgoing(Message(seq, len(payload), message.ordering_key), payload, subscriptions)

    def _stored(self, topic: TopicRecord, outgoing: Iterable[_Outgoing]) -> Statement:
        return records.store_messages(
            [(message.seq, topic.topic_id, message.ordering_key, payload) for message, payload, _ in outgoing]
        )

    def _fan_out(self, outgoing: Iterable[_Outgoing]) -> None:
        receiving: dict[SubscriptionRecord, None] = {}
        for message, payload, subscriptions in outgoing:
            for subscription in subscriptions:
                if subscription.is_attached:
                    subscription.delivery.add(message)
                    message.holders += 1
                    receiving[subscription] = None
            if message.holders:
                self._registry.messages[message.seq] = message
                self._registry.payloads.put(message.seq, payload)
        for subscription in receiving:
            subscription.feed.dispatch()

    def _load(self, subscription: SubscriptionRecord, delivery: Delivery) -> Received | None:
        payload = self._registry.payloads.get(delivery.seq)
        if payload is None:
            # Purged by a seek while its lease was being written.
            return None
        ack_id = f"{subscription.subscription_id}:{delivery.seq}:{delivery.lease_id}"
        return Received(ack_id, payload, delivery.attempt)

    async def _record_leases(self, subscription: SubscriptionRecord, seqs: Iterable[int]) -> None:
        pending = subscription.delivery.pending
        leased = [pending[seq] for seq in seqs if seq in pending]
        await self._journal.write([records.delivered(subscription.subscription_id, leased)])

    def _write(self, statements: Sequence[Statement]) -> asyncio.Future[None]:
        """Write what nobody may be waiting for, and so log a failure."""
        written = self._journal.write(statements)
        written.add_done_callback(_log_failure)
        return written

    def _forward(self, subscription: SubscriptionRecord, pending: Pending) -> None:
        """Move a message to the dead-letter topic in one commit, or try again later."""
        topic = self._registry.topics.get(subscription.config.dead_letter_policy.dead_letter_topic)
        payload = self._registry.payloads.get(pending.message.seq)
        if topic is None or payload is None:
            get_logger().warning("dead letter stays", subscription=subscription.name, reason="topic gone")
            subscription.delivery.retry_forwarding(pending)
            return
        letter = self._address(topic, envelope.dead_letter(payload, subscription.name, pending.failures))
        settlement = self.settlement(subscription, [pending.message.seq])

        def apply() -> None:
            self._metrics.dead_lettered.inc()
            self._fan_out([letter])
            self.settle(subscription, settlement)

        def retry(done: asyncio.Future[None]) -> None:
            if done.exception():
                subscription.delivery.retry_forwarding(pending)
                subscription.feed.dispatch()

        if not letter.subscriptions:
            get_logger().warning("dead letter lost", subscription=subscription.name, unsubscribed=topic.name)
        statements = [self._stored(topic, [letter]), *settlement.statements]
        self._journal.write(statements, apply).add_done_callback(retry)


def parse_ack_id(subscription: SubscriptionRecord, ack_id: str) -> tuple[int, int]:
    """The sequence number and lease id in an ack id; raises unless it is one of this subscription's."""
    subscription_id, _, rest = ack_id.partition(":")
    seq, _, lease_id = rest.partition(":")
    if subscription_id != str(subscription.subscription_id) or not (seq.isdecimal() and lease_id.isdecimal()):
        raise InvalidArgumentError(
            f"You have passed an invalid ack ID to the service (ack_id={ack_id[:200]})."
        )
    return int(seq), int(lease_id)


def _refuse_stale(
    subscription: SubscriptionRecord,
    leases: Mapping[str, tuple[int, int]],
    acked_together: Collection[int] | None,
) -> None:
    """All or nothing: clients take an id that a failed request does not mention for failed as well."""
    if not subscription.delivery.policy.exactly_once:
        return
    refusals = {
        ack_id: subscription.delivery.refusal(seq, lease_id, acked_together)
        for ack_id, (seq, lease_id) in leases.items()
    }
    if any(refusals.values()):
        raise AckIdError({ack_id: reason or NOT_APPLIED for ack_id, reason in refusals.items()})


def _log_failure(done: asyncio.Future[None]) -> None:
    error = done.exception()
    if error is not None:
        get_logger().error("delivery not recorded", reason=str(error))
