"""Streaming pull: callbacks, flow control, requests on the stream, consumers that come and go."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from google.api_core import exceptions
from pubsub_site import STREAM_SECONDS, Listener, Site
from pubsub_stream import Requests

UNCHECKED = pytest.mark.differs("a change of flow control is ignored")
CONSUMER = """
import sys, time
from google.cloud import pubsub_v1
def handle(message):
    print(message.data.decode(), flush=True)
pubsub_v1.SubscriberClient().subscribe(sys.argv[1], handle)
time.sleep(60)
"""


def test_a_callback_gets_what_is_published_while_it_listens(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    with site.listener(subscription) as listener:
        site.publish(topic, b"1", b"2", kind="event")
        received = listener.take(2)

    assert {message.data for message in received} == {b"1", b"2"}
    assert dict(received[0].attributes) == {"kind": "event"}
    assert site.pull(subscription, seconds=0.3) == []


def test_a_nack_in_a_callback_brings_the_message_back(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    with site.listener(subscription, acks=False) as listener:
        site.publish(topic, b"x")
        listener.next().nack()
        again = listener.next()
        again.ack()

    assert again.data == b"x"


def test_flow_control_holds_messages_back(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, *(b"%d" % number for number in range(10)))

    with site.listener(subscription, acks=False, max_messages=3) as listener:
        first = listener.take(3)
        assert listener.is_quiet(0.5)
        for message in first:
            message.ack()
        for message in listener.take(3):
            message.ack()
        for message in listener.take(3):
            message.ack()
        listener.next().ack()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_zero_or_less_is_none(site: Site, limit: int) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, *(b"%d" % number for number in range(500)))
    requests = Requests(subscription, max_outstanding_messages=limit, max_outstanding_bytes=limit)

    received = 0
    for response in site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS):
        received += len(response.received_messages)
        if received == 500:
            break
    requests.close()

    assert received == 500


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"max_outstanding_messages": 5}, marks=UNCHECKED),
        pytest.param({"max_outstanding_bytes": 5}, marks=UNCHECKED),
        {"subscription": "projects/contract/subscriptions/other"},
        {"modify_deadline_ack_ids": ["x"]},
        {"ack_ids": ["junk"]},
        {"stream_ack_deadline_seconds": 9},
    ],
)
def test_a_request_that_breaks_the_rules_ends_the_stream(site: Site, later: dict[str, Any]) -> None:
    requests = Requests(site.subscription(site.topic()))
    responses = site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS)

    requests.send(**later)

    with pytest.raises(exceptions.InvalidArgument):
        list(responses)
    requests.close()


def test_acks_and_deadlines_travel_on_the_stream(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"ack", b"nack")
    requests = Requests(subscription)
    responses = site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS)
    received: list[Any] = []
    while len(received) < 2:
        received += next(responses).received_messages
    by_body = {each.message.data: each.ack_id for each in received}

    requests.send(
        ack_ids=[by_body[b"ack"]], modify_deadline_ack_ids=[by_body[b"nack"]], modify_deadline_seconds=[0]
    )

    again = [each.message.data for each in next(responses).received_messages]
    requests.close()
    responses.cancel()
    assert again == [b"nack"]


def test_two_clients_share_the_messages_of_a_subscription(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    with site.listener(subscription) as first, site.listener(subscription) as second:
        time.sleep(0.5)
        site.publish(topic, *(b"%d" % number for number in range(200)))
        counts = _drain(200, first, second)

    assert min(counts) >= 40


@pytest.mark.differs("messages sent to a dead consumer wait for their ack deadline")
def test_what_a_killed_consumer_held_is_with_another_within_a_second_or_two(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"held")
    with subprocess.Popen(
        [sys.executable, "-c", CONSUMER, subscription], stdout=subprocess.PIPE, env=os.environ.copy()
    ) as consumer:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == b"held\n"

        with site.listener(subscription) as listener:
            assert listener.is_quiet(0.2)
            consumer.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            message = listener.next(5)

    assert message.data == b"held"
    assert time.monotonic() - killed < 4


def test_a_client_that_comes_back_at_once_keeps_its_messages(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"held")
    requests = Requests(subscription, client_id="me")
    responses = site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS)
    (held,) = next(responses).received_messages

    responses.cancel()
    again = Requests(subscription, client_id="me")
    responses = site.subscriber.streaming_pull(requests=iter(again), timeout=STREAM_SECONDS)

    assert site.pull(subscription, seconds=1.5) == []
    again.send(ack_ids=[held.ack_id])
    again.close()
    list(responses)
    assert site.pull(subscription, seconds=0.7) == []
    requests.close()


def test_deleting_the_subscription_ends_its_streams(site: Site) -> None:
    subscription = site.subscription(site.topic())

    with site.listener(subscription) as listener:
        listener.may_fail = True
        time.sleep(0.3)
        site.subscriber.delete_subscription(subscription=subscription)
        error = listener.pull.exception(10)

    assert isinstance(error, exceptions.NotFound)


def test_subscribing_to_what_is_absent_fails(site: Site) -> None:
    with site.listener("projects/contract/subscriptions/absent") as listener:
        listener.may_fail = True
        assert isinstance(listener.pull.exception(10), exceptions.NotFound)


def _drain(total: int, *listeners: Listener) -> list[int]:
    counts = [0] * len(listeners)
    deadline = time.monotonic() + 10
    while sum(counts) < total and time.monotonic() < deadline:
        for position, listener in enumerate(listeners):
            counts[position] += not listener.is_quiet(0.001)
    assert sum(counts) == total
    return counts
