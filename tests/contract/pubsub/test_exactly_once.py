"""Exactly-once delivery: only the latest ack id counts, and every ack is answered."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError, AcknowledgeStatus
from google.pubsub_v1.types import Subscription
from pubsub_site import CALL_SECONDS, STREAM_SECONDS, Site
from pubsub_stream import Requests

HALF_DONE = "stale ids are refused, but without the reasons and confirmations"


def test_an_ack_is_confirmed_to_the_callback(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_exactly_once_delivery=True)
    site.publish(topic, b"x")

    with site.listener(subscription, acks=False) as listener:
        outcome = listener.next().ack_with_response().result(CALL_SECONDS)

    assert outcome == AcknowledgeStatus.SUCCESS
    assert site.pull(subscription, seconds=0.3) == []


def test_a_stale_ack_fails_in_the_callback_and_the_latest_succeeds(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_exactly_once_delivery=True)
    site.publish(topic, b"x")

    with site.listener(subscription, acks=False) as listener:
        first = listener.next()
        first.nack_with_response().result(CALL_SECONDS)
        second = listener.next()
        with pytest.raises(AcknowledgeError) as failure:
            first.ack_with_response().result(CALL_SECONDS)
        outcome = second.ack_with_response().result(CALL_SECONDS)

    assert failure.value.error_code == AcknowledgeStatus.INVALID_ACK_ID
    assert outcome == AcknowledgeStatus.SUCCESS


@pytest.mark.differs(HALF_DONE)
def test_a_unary_ack_with_a_stale_id_fails_and_says_which(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_exactly_once_delivery=True)
    site.publish(topic, b"x")
    stale = site.pull(subscription)
    site.nack(subscription, stale)
    (current,) = site.pull(subscription)

    with pytest.raises(exceptions.FailedPrecondition) as failure:
        site.ack(subscription, [*stale, current])

    (info,) = failure.value.details
    assert info.metadata == {
        stale[0].ack_id: "PERMANENT_FAILURE_INVALID_ACK_ID",
        current.ack_id: "TRANSIENT_FAILURE_NOT_APPLIED",
    }
    site.ack(subscription, [current])


@pytest.mark.differs(HALF_DONE)
def test_the_stream_confirms_acks_and_deadlines(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, enable_exactly_once_delivery=True, enable_message_ordering=True)
    site.publish(topic, b"1", b"2", key="k")
    requests = Requests(subscription)
    responses = site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS)
    received: list[Any] = []
    while len(received) < 2:
        response = next(responses)
        received += response.received_messages
    first, second = (each.ack_id for each in received)
    stale = f"{first.rpartition(':')[0]}:1"

    requests.send(ack_ids=[second])
    unordered = next(responses).acknowledge_confirmation
    requests.send(modify_deadline_ack_ids=[first, stale], modify_deadline_seconds=[20, 20])
    modified = next(responses).modify_ack_deadline_confirmation
    requests.send(ack_ids=[first, second])
    acked = next(responses).acknowledge_confirmation
    requests.close()

    assert response.subscription_properties.exactly_once_delivery_enabled
    assert response.subscription_properties.message_ordering_enabled
    assert list(unordered.unordered_ack_ids) == [second]
    assert (list(modified.invalid_ack_ids), list(modified.temporary_failed_ack_ids)) == ([stale], [first])
    assert list(acked.ack_ids) == [first, second]


def test_exactly_once_can_be_switched_on_later(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    changes = Subscription(name=subscription, enable_exactly_once_delivery=True)
    site.subscriber.update_subscription(
        subscription=changes, update_mask={"paths": ["enable_exactly_once_delivery"]}
    )
    site.publish(topic, b"x")

    with site.listener(subscription, acks=False) as listener:
        assert listener.next().ack_with_response().result(CALL_SECONDS) == AcknowledgeStatus.SUCCESS
