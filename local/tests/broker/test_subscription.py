"""The delivery state machine under a fake clock: leases, retries, ordering, dead letters, exactly-once."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tidemill_local.broker.delivery import Consumer, Delivery, DeliveryPolicy, Lease, Message
from tidemill_local.broker.subscription import INVALID_ACK_ID, UNORDERED_ACK_ID, Subscription

LOTS = 10**9


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A subscription on a fake clock, with shorthand for what a broker does to it."""

    def __init__(self, **policy: Any) -> None:
        self.clock = Clock()
        self.subscription = Subscription(DeliveryPolicy(**policy), self.clock, count(1))

    def publish(self, *seqs: int, key: str = "", size_bytes: int = 1) -> None:
        for seq in seqs:
            self.subscription.add(Message(seq, size_bytes, key))

    def take(self, consumer: Consumer | None = None, limit: int = 100) -> list[Delivery]:
        return self.subscription.take(consumer or a_consumer(), limit, LOTS)

    def seqs(self, consumer: Consumer | None = None, limit: int = 100) -> list[int]:
        return [delivery.seq for delivery in self.take(consumer, limit)]

    def ack(self, *seqs: int) -> None:
        for seq in seqs:
            self.subscription.settle(self.subscription.ack(seq))

    def nack(self, *deliveries: Delivery) -> list[int]:
        failed = [self.subscription.modify(each.seq, each.lease_id, 0) for each in deliveries]
        return [pending.message.seq for group in failed for pending in group]

    def seconds_until_ready(self) -> int:
        """Let time pass, second by second, until a message could be taken."""
        for seconds in range(1000):
            if self.subscription.has_ready(a_consumer()):
                return seconds
            self.pass_seconds(1)
        raise AssertionError("expected a message to become ready within 1000 s")

    def pass_seconds(self, seconds: float) -> list[int]:
        self.clock.now += seconds
        return [pending.message.seq for pending in self.subscription.advance()]


def a_consumer(max_messages: int = 0, max_bytes: int = 0, ack_deadline_seconds: float = 10.0) -> Consumer:
    return Consumer(ack_deadline_seconds, max_messages, max_bytes)


def test_a_message_is_out_with_one_consumer_at_a_time() -> None:
    bench = Bench()
    bench.publish(1, 2)

    assert bench.seqs(limit=1) == [1]
    assert bench.seqs() == [2]
    assert bench.seqs() == []


def test_an_acked_message_never_comes_back() -> None:
    bench = Bench()
    bench.publish(1)
    bench.take()

    bench.ack(1)

    assert bench.pass_seconds(1000) == []
    assert bench.seqs() == []


def test_a_message_comes_back_when_its_deadline_passes_and_not_before() -> None:
    bench = Bench()
    bench.publish(1)
    bench.take()

    assert bench.subscription.next_due() == bench.clock.now + 10
    assert bench.pass_seconds(9.9) == []
    assert bench.seqs() == []
    assert bench.pass_seconds(0.1) == [1]
    assert bench.seqs() == [1]


def test_a_lease_can_be_extended_and_shortened() -> None:
    bench = Bench()
    bench.publish(1)
    (delivery,) = bench.take()

    bench.subscription.modify(1, delivery.lease_id, 60)
    assert bench.pass_seconds(40) == []
    bench.subscription.modify(1, delivery.lease_id, 2)

    assert bench.subscription.next_due() <= bench.clock.now + 2
    assert bench.pass_seconds(2) == [1]


def test_the_deadline_of_a_superseded_delivery_cannot_be_modified() -> None:
    bench = Bench()
    bench.publish(1)
    (first,) = bench.take()
    bench.nack(first)
    (second,) = bench.take()

    assert bench.nack(first) == []
    assert bench.seqs() == []
    assert bench.nack(second) == [1]


def test_the_ack_of_a_superseded_delivery_counts() -> None:
    bench = Bench()
    bench.publish(1)
    bench.take()
    bench.pass_seconds(10)

    bench.ack(1)

    assert bench.seqs() == []
    assert not bench.subscription.pending


def test_flow_control_counts_messages_until_they_are_acked_or_nacked() -> None:
    bench = Bench()
    bench.publish(1, 2, 3, 4)
    consumer = a_consumer(max_messages=2)

    first, _ = bench.take(consumer)
    assert bench.seqs(consumer) == []
    bench.nack(first)
    assert bench.seqs(consumer) == [3]
    bench.ack(2, 3)
    assert bench.seqs(consumer) == [4, 1]


def test_flow_control_counts_bytes_and_lets_one_large_message_through() -> None:
    bench = Bench()
    bench.publish(1, 2, size_bytes=500)
    consumer = a_consumer(max_bytes=100)

    assert bench.seqs(consumer) == [1]
    bench.ack(1)
    assert bench.seqs(consumer) == [2]


def test_a_batch_stays_under_its_bytes_but_a_large_message_goes_alone() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, size_bytes=900)
    bench.publish(2, 3, size_bytes=600, key="k")

    batches = [bench.subscription.take(a_consumer(), 100, 1000) for _ in range(2)]

    assert [[delivery.seq for delivery in batch] for batch in batches] == [[1], [2]]
    assert bench.subscription.take(a_consumer(), 100, 10) == []
    bench.publish(4, size_bytes=99_999)
    assert [delivery.seq for delivery in bench.subscription.take(a_consumer(), 100, 10)] == [4]


def test_what_is_ready_is_counted_in_messages() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, 3, key="a")
    bench.publish(4, key="b")
    bench.publish(5)

    assert bench.subscription.ready_count(a_consumer()) == 5


def test_limits_of_zero_or_less_are_none() -> None:
    bench = Bench()
    bench.publish(*range(1, 50))

    assert len(bench.take(a_consumer(max_messages=-1, max_bytes=0))) == 49


def test_retries_back_off_exponentially_up_to_the_maximum() -> None:
    bench = Bench(minimum_backoff_seconds=10, maximum_backoff_seconds=35)
    bench.publish(1)

    waits = []
    for _ in range(4):
        bench.nack(*bench.take())
        waits.append(bench.seconds_until_ready())

    assert waits == [10, 20, 35, 35]


def test_an_expired_deadline_backs_off_like_a_nack() -> None:
    bench = Bench(minimum_backoff_seconds=10, maximum_backoff_seconds=600)
    bench.publish(1)
    bench.take()

    bench.pass_seconds(10)

    assert bench.seqs() == []
    bench.pass_seconds(10)
    assert bench.seqs() == [1]


def test_without_a_retry_policy_a_nacked_message_comes_back_at_once_behind_the_others() -> None:
    bench = Bench()
    bench.publish(1, 2, 3)

    bench.nack(*bench.take(limit=1))

    assert bench.seqs() == [2, 3, 1]


def test_delivery_attempts_are_counted_only_under_a_dead_letter_policy() -> None:
    for limit, expected in ((None, [0, 0, 0]), (5, [1, 2, 3])):
        bench = Bench(max_delivery_attempts=limit)
        bench.publish(1)
        attempts = []
        for _ in range(3):
            (delivery,) = bench.take()
            attempts.append(delivery.attempt)
            bench.nack(delivery)

        assert attempts == expected


def test_a_message_is_parked_after_its_last_attempt() -> None:
    bench = Bench(max_delivery_attempts=5)
    bench.publish(1)
    for _ in range(4):
        bench.nack(*bench.take())
    assert not bench.subscription.is_exhausted(bench.subscription.pending[1])

    bench.nack(*bench.take())

    assert bench.subscription.is_exhausted(bench.subscription.pending[1])
    assert bench.pass_seconds(1000) == []
    assert bench.seqs() == []


def test_a_message_its_dead_letter_topic_refused_is_tried_again_later() -> None:
    bench = Bench(max_delivery_attempts=5)
    bench.publish(1)
    for _ in range(5):
        bench.nack(*bench.take())

    bench.subscription.retry_forwarding(bench.subscription.pending[1])

    assert bench.seqs() == []
    bench.pass_seconds(1)
    assert bench.seqs() == [1]


def test_a_lost_consumer_gives_back_everything_it_held() -> None:
    bench = Bench()
    bench.publish(1, 2, 3)
    lost, other = a_consumer(), a_consumer()
    bench.take(lost, limit=2)
    bench.take(other)

    failed = bench.subscription.release(lost)

    assert [pending.message.seq for pending in failed] == [1, 2]
    assert (lost.outstanding_messages, lost.outstanding_bytes) == (0, 0)
    assert bench.seqs() == [1, 2]


def test_a_reset_forgets_leases_and_starts_over() -> None:
    bench = Bench()
    bench.publish(1, 2)
    consumer = a_consumer()
    bench.take(consumer)

    bench.subscription.reset([Message(2, 1, ""), Message(3, 1, "")])

    assert consumer.outstanding_messages == 0
    assert bench.seqs() == [2, 3]


def test_a_restored_lease_is_kept_until_its_end() -> None:
    bench = Bench(exactly_once=True, max_delivery_attempts=5)
    bench.subscription.add(Message(1, 1, ""), failures=2, lease=Lease(77, a_consumer(), bench.clock.now + 5))

    assert bench.seqs() == []
    assert bench.subscription.refusal(1, 77) is None
    assert bench.pass_seconds(5) == [1]
    assert bench.take()[0].attempt == 4


def test_ordered_messages_go_out_in_order_to_one_consumer() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, 3, key="k")
    first, second = a_consumer(max_messages=2), a_consumer()

    assert bench.seqs(first) == [1, 2]
    assert bench.seqs(second) == []
    bench.ack(1)
    assert bench.seqs(second) == []
    assert bench.seqs(first) == [3]
    bench.ack(2, 3)
    bench.publish(4, key="k")
    assert bench.seqs(second) == [4]


def test_keys_do_not_block_each_other_or_messages_without_a_key() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, key="a")
    bench.publish(3, 4, key="b")
    bench.publish(5)

    assert sorted(bench.seqs(limit=2)) == [1, 5]
    assert bench.seqs(limit=1) == [3]


def test_without_ordering_enabled_keys_mean_nothing() -> None:
    bench = Bench(ordered=False)
    bench.publish(1, 2, key="k")

    assert bench.seqs(limit=1) == [1]
    assert bench.seqs() == [2]


def test_a_nack_brings_back_every_later_message_of_the_key_even_acked_ones() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, 3, 4, key="k")
    _, second, _, _ = bench.take()
    bench.ack(3)

    bench.nack(second)

    assert bench.seqs() == []
    bench.ack(1)
    assert bench.seqs() == [2, 3, 4]
    bench.ack(2)
    assert list(bench.subscription.pending) == [3, 4]


def test_after_a_nack_the_consumer_that_holds_the_key_is_served_again() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, 3, key="k")
    consumer = a_consumer()
    _, second, _ = bench.take(consumer)

    bench.nack(second)

    assert consumer.outstanding_messages == 1
    assert bench.seqs() == []
    assert bench.seqs(consumer) == [2, 3]


def test_an_early_ack_counts_once_the_earlier_messages_are_acked() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, 3, key="k")
    bench.take()

    bench.ack(3, 2)
    assert list(bench.subscription.pending) == [1, 2, 3]
    bench.ack(1)

    assert not bench.subscription.pending
    assert bench.pass_seconds(1000) == []


def test_an_early_ack_does_not_expire() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, key="k")
    first, _ = bench.take()
    bench.subscription.modify(1, first.lease_id, 60)
    bench.ack(2)

    assert bench.pass_seconds(59) == []
    bench.ack(1)
    assert not bench.subscription.pending


def test_a_key_waits_out_the_backoff_of_its_earliest_failure() -> None:
    bench = Bench(ordered=True, minimum_backoff_seconds=10, maximum_backoff_seconds=600)
    bench.publish(1, 2, key="k")
    first, second = bench.take()
    bench.nack(second)
    bench.clock.now += 5
    bench.nack(first)

    bench.pass_seconds(5)
    assert bench.seqs() == []
    bench.pass_seconds(5)
    assert bench.seqs() == [1, 2]


def test_a_key_goes_on_once_its_exhausted_message_is_forwarded() -> None:
    bench = Bench(ordered=True, max_delivery_attempts=5)
    bench.publish(1, 2, key="k")
    for _ in range(5):
        bench.nack(bench.take()[0])
    assert bench.seqs() == []

    bench.subscription.settle([1])

    assert bench.seqs() == [2]


def test_a_lost_consumer_gives_its_keys_back_in_order() -> None:
    bench = Bench(ordered=True)
    bench.publish(1, 2, key="a")
    bench.publish(3, 4, key="b")
    lost = a_consumer()
    bench.take(lost)

    bench.subscription.release(lost)

    assert lost.outstanding_messages == 0
    assert [bench.seqs(a_consumer(), limit=2) for _ in range(2)] == [
        [1, 2],
        [3, 4],
    ] or bench.subscription.pending


@pytest.mark.parametrize("ordered", [False, True])
def test_exactly_once_refuses_all_but_the_current_lease(ordered: bool) -> None:  # noqa: FBT001 - a parameter
    bench = Bench(exactly_once=True, ordered=ordered)
    bench.publish(1, key="k")
    (stale,) = bench.take()
    bench.pass_seconds(10)
    (current,) = bench.take()
    refusal = bench.subscription.refusal

    assert refusal(1, stale.lease_id) == INVALID_ACK_ID
    assert refusal(1, current.lease_id, {1}) is None
    assert refusal(99, current.lease_id) == INVALID_ACK_ID
    bench.clock.now += 10
    assert refusal(1, current.lease_id) == INVALID_ACK_ID


def test_exactly_once_refuses_an_ack_out_of_order_for_now() -> None:
    bench = Bench(exactly_once=True, ordered=True)
    bench.publish(1, 2, 3, key="k")
    _, second, _ = bench.take()

    assert bench.subscription.refusal(2, second.lease_id, {2}) == UNORDERED_ACK_ID
    assert bench.subscription.refusal(2, second.lease_id, {1, 2}) is None
    bench.ack(1)
    assert bench.subscription.refusal(2, second.lease_id, {2}) is None


def test_a_policy_may_change_while_messages_are_out() -> None:
    bench = Bench()
    bench.publish(1)
    (delivery,) = bench.take()

    bench.subscription.policy = replace(
        bench.subscription.policy, minimum_backoff_seconds=30, maximum_backoff_seconds=60
    )
    bench.nack(delivery)

    assert bench.seconds_until_ready() == 30
