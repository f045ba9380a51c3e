"""Pulling, acknowledging, deadlines, retries, dead letters, filters, ordering."""

import threading
import time

import pytest
from google.api_core import exceptions
from google.pubsub_v1.types import Subscription
from pubsub_site import CALL_SECONDS, Site

HALF_SECOND = {"nanos": 500_000_000}
SECOND = {"seconds": 1}


def test_an_acked_message_does_not_come_back(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"once")
    received = site.pull(subscription)
    site.extend(subscription, received, 1)

    site.ack(subscription, received)

    assert site.pull(subscription, seconds=1.5) == []


def test_a_nacked_message_comes_back_at_once(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"again")

    site.nack(subscription, site.pull(subscription))

    assert site.bodies(subscription, seconds=1) == [b"again"]


def test_a_message_comes_back_when_its_deadline_passes(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"slow")
    site.extend(subscription, site.pull(subscription), 1)

    assert site.pull(subscription, seconds=0.5) == []
    assert site.bodies(subscription, seconds=3) == [b"slow"]


@pytest.mark.differs("an expired ack id is ignored")
def test_an_ack_after_the_deadline_counts_if_nobody_acked_since(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"late")
    first = site.pull(subscription)
    site.nack(subscription, first)
    second = site.pull(subscription)

    site.ack(subscription, first)
    site.nack(subscription, second)

    assert site.pull(subscription, seconds=0.5) == []


def test_a_pull_waits_for_a_message(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    started = time.monotonic()
    threading.Timer(0.3, site.publisher.publish, (topic, b"late")).start()

    response = site.subscriber.pull(subscription=subscription, max_messages=5, timeout=CALL_SECONDS)

    assert [each.message.data for each in response.received_messages] == [b"late"]
    assert time.monotonic() - started > 0.25


def test_a_pull_that_finds_nothing_is_empty_and_in_time(site: Site) -> None:
    subscription = site.subscription(site.topic())
    started = time.monotonic()

    assert not site.subscriber.pull(subscription=subscription, max_messages=1, timeout=3).received_messages
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("ack_ids", [[], ["junk"], ["1:2:3"], ["-1:x:"], ["ü" * 1000]])
def test_malformed_ack_ids_are_invalid(site: Site, ack_ids: list[str]) -> None:
    subscription = site.subscription(site.topic())

    with pytest.raises(exceptions.InvalidArgument):
        site.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)
    with pytest.raises(exceptions.InvalidArgument):
        site.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=10
        )


def test_an_ack_id_of_another_subscription_is_refused(site: Site) -> None:
    topic = site.topic()
    first, second = site.subscription(topic), site.subscription(topic)
    site.publish(topic, b"x")
    received = site.pull(first)

    with pytest.raises(exceptions.InvalidArgument):
        site.ack(second, received)


@pytest.mark.differs("the retry policy is ignored")
def test_retries_wait_longer_each_time(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(
        topic, retry_policy={"minimum_backoff": HALF_SECOND, "maximum_backoff": SECOND}
    )
    site.publish(topic, b"x")

    received = site.pull(subscription)
    waits = []
    for _ in range(3):
        site.nack(subscription, received)
        nacked = time.monotonic()
        received = site.pull(subscription)
        waits.append(time.monotonic() - nacked)

    assert waits == [pytest.approx(seconds, abs=0.3) for seconds in (0.5, 1.0, 1.0)]


@pytest.mark.differs("dead letters carry no source attributes")
def test_a_message_out_of_attempts_goes_to_the_dead_letter_topic(site: Site) -> None:
    topic, graveyard = site.topic(), site.topic()
    policy = {"dead_letter_topic": graveyard, "max_delivery_attempts": 5}
    subscription, letters = site.subscription(topic, dead_letter_policy=policy), site.subscription(graveyard)
    site.publish(topic, b"poison", key="k", kind="bad")

    attempts = []
    for _ in range(5):
        received = site.pull(subscription)
        attempts += [each.delivery_attempt for each in received]
        site.nack(subscription, received)

    (letter,) = site.pull(letters)
    assert attempts == [1, 2, 3, 4, 5]
    assert (letter.message.data, letter.message.ordering_key) == (b"poison", "k")
    attributes = dict(letter.message.attributes)
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert attributes == {
        "kind": "bad",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": subscription.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": "contract",
    }
    assert letter.delivery_attempt == 0
    assert site.pull(subscription, seconds=0.3) == []


def test_a_message_whose_dead_letter_topic_is_gone_is_kept(site: Site) -> None:
    topic, graveyard = site.topic(), site.topic()
    subscription = site.subscription(topic, dead_letter_policy={"dead_letter_topic": graveyard})
    site.publish(topic, b"poison")
    site.raw_publisher.delete_topic(topic=graveyard)
    for _ in range(5):
        site.nack(subscription, site.pull(subscription))

    assert site.bodies(subscription, seconds=15) == [b"poison"]


@pytest.mark.differs("filters are accepted and ignored")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('attributes."ce-type" = "a"', ["a"]),
        ('attributes.ce-type != "a"', ["b", "ab"]),
        ('hasPrefix(attributes.ce-type, "a") AND NOT attributes.ce-type = "a"', ["ab"]),
        ("-attributes:ce-type", []),
    ],
)
def test_a_filter_lets_matching_messages_through(site: Site, text: str, expected: list[str]) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, filter=text)

    for value in ("a", "b", "ab"):
        site.publish(topic, value.encode(), **{"ce-type": value})

    assert [body.decode() for body in site.bodies(subscription, 3, seconds=0.3)] == expected


@pytest.mark.differs("filters are accepted unread")
@pytest.mark.parametrize(
    "text", ["junk", "attributes:a OR attributes:b AND attributes:c", "attributes:" + "a" * 250]
)
def test_an_invalid_filter_is_refused(site: Site, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"[Ff]ilter"):
        site.subscription(site.topic(), filter=text)


def test_messages_of_a_key_come_in_order(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_message_ordering=True)
    bodies = [b"%03d" % number for number in range(100)]

    site.publish(topic, *bodies, key="k")

    with site.listener(subscription) as listener:
        assert [message.data for message in listener.take(100)] == bodies


def test_a_key_that_is_out_blocks_the_next_pull_of_it(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_message_ordering=True)
    site.publish(topic, b"1", b"2", key="k")

    first = site.pull(subscription, 1)
    assert [each.message.data for each in first] == [b"1"]
    assert site.pull(subscription, seconds=0.3) == []
    site.ack(subscription, first)

    assert site.bodies(subscription) == [b"2"]


@pytest.mark.differs("the key waits for the deadlines of its later messages")
def test_a_nack_brings_back_all_later_messages_of_the_key(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_message_ordering=True)
    site.publish(topic, b"1", b"2", b"3", key="k")
    received = site.pull(subscription, 3)

    site.ack(subscription, received[:1])
    site.nack(subscription, received[1:2])

    assert site.bodies(subscription, 2) == [b"2", b"3"]


@pytest.mark.differs("the policy of a live subscription cannot gain dead letters")
def test_a_policy_changed_by_update_applies_to_what_is_waiting(site: Site) -> None:
    topic, graveyard = site.topic(), site.topic()
    subscription, letters = site.subscription(topic), site.subscription(graveyard)
    site.publish(topic, b"x")
    changes = Subscription(name=subscription, dead_letter_policy={"dead_letter_topic": graveyard})

    site.subscriber.update_subscription(subscription=changes, update_mask={"paths": ["dead_letter_policy"]})
    for _ in range(5):
        site.nack(subscription, site.pull(subscription))

    assert site.bodies(letters) == [b"x"]
