"""Rules of delivery that hold after any sequence of events."""

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tidemill_local.broker.delivery import Consumer, Delivery, DeliveryPolicy, Message
from tidemill_local.broker.subscription import Subscription

KEYS = ["", "a", "b"]


class DeliveryRules(RuleBasedStateMachine):
    """Random publishes, pulls, acks, nacks, lost consumers and passing time, with and without ordering."""

    @initialize(ordered=st.booleans(), backoff_seconds=st.sampled_from([0.0, 3.0]))
    def open(self, ordered: bool, backoff_seconds: float) -> None:  # noqa: FBT001 - hypothesis passes it by name
        self.now = 0.0
        policy = DeliveryPolicy(
            ordered=ordered,
            minimum_backoff_seconds=backoff_seconds,
            maximum_backoff_seconds=2 * backoff_seconds,
        )
        self.subscription = Subscription(policy, lambda: self.now, count(1))
        self.consumers = [Consumer(10.0, max_messages=limit) for limit in (0, 2)]
        self.seqs = count(1)
        self.keys: dict[int, str] = {}
        self.acked: set[int] = set()
        self.deliveries: list[Delivery] = []

    @rule(key=st.sampled_from(KEYS))
    def publish(self, key: str) -> None:
        seq = next(self.seqs)
        self.keys[seq] = key
        self.subscription.add(Message(seq, 1, key))

    @rule(which=st.integers(0, 1), limit=st.integers(1, 5))
    def take(self, which: int, limit: int) -> None:
        before = {seq for seq, pending in self.subscription.pending.items() if pending.lease}
        batch = self.subscription.take(self.consumers[which], limit, 100)
        self.deliveries += batch

        assert not before & {delivery.seq for delivery in batch}, "a message was out twice"
        for key in "ab" if self.subscription.policy.ordered else "":
            seqs = [delivery.seq for delivery in batch if self.keys[delivery.seq] == key]
            assert seqs == sorted(seqs), "a key went out of order"

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        if self.deliveries:
            seq = data.draw(st.sampled_from(self.deliveries)).seq
            self.acked |= {message.seq for message in self.subscription.settle(self.subscription.ack(seq))}

    @rule(data=st.data(), seconds=st.sampled_from([0, 2, 60]))
    def modify(self, data: st.DataObject, seconds: int) -> None:
        if self.deliveries:
            delivery = data.draw(st.sampled_from(self.deliveries))
            self.subscription.modify(delivery.seq, delivery.lease_id, seconds)

    @rule(which=st.integers(0, 1))
    def lose(self, which: int) -> None:
        self.subscription.release(self.consumers[which])

    @rule(seconds=st.sampled_from([1.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.subscription.advance()

    @invariant()
    def every_message_is_either_acked_or_pending(self) -> None:
        assert set(self.keys) == self.acked | set(self.subscription.pending)
        assert not self.acked & set(self.subscription.pending)

    @invariant()
    def consumers_count_exactly_what_is_out_with_them(self) -> None:
        leases = [pending.lease for pending in self.subscription.pending.values() if pending.lease]
        for consumer in self.consumers:
            out = sum(1 for lease in leases if lease.consumer is consumer)
            assert (consumer.outstanding_messages, consumer.outstanding_bytes) == (out, out)

    def teardown(self) -> None:
        """Whatever happened, a patient consumer gets every message that is left, each key in order."""
        for consumer in self.consumers:
            self.subscription.release(consumer)
        last: dict[str, int] = {}
        patient = Consumer(10.0)
        for _ in range(5):
            self.wait(30.0)
            for delivery in self.subscription.take(patient, 1000, 10**9):
                key = self.keys[delivery.seq]
                if key and self.subscription.policy.ordered:
                    assert last.get(key, 0) < delivery.seq
                    last[key] = delivery.seq
                self.subscription.settle(self.subscription.ack(delivery.seq))

        assert not self.subscription.pending


DeliveryRules.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestDeliveryRules = DeliveryRules.TestCase
