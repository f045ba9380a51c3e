"""Load and numbers that a careless broker falls over on, against the embedded broker."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from pubsub_site import PROJECT, STREAM_SECONDS, Site
from pubsub_stream import Requests
from pubsub_targets import Broker

LISTENERS = 200


def test_ten_thousand_queued_messages_arrive_once_each(own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    futures = [own_site.publisher.publish(topic, b"%d" % number) for number in range(10_000)]
    ids = {future.result(30) for future in futures}

    with own_site.listener(subscription) as listener:
        received = [message.message_id for message in listener.take(10_000, seconds=30)]

    assert len(received) == 10_000
    assert set(received) == ids


def test_two_hundred_streams_share_a_subscription(own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    received: list[str] = []
    all_open = threading.Barrier(LISTENERS + 1)

    def listen(_: int) -> None:
        requests = Requests(subscription)
        responses = own_site.subscriber.streaming_pull(requests=iter(requests), timeout=3 * STREAM_SECONDS)
        all_open.wait(30)
        for each in next(responses).received_messages:
            received.append(each.message.message_id)
            requests.send(ack_ids=[each.ack_id])
        requests.close()
        list(responses)

    with ThreadPoolExecutor(LISTENERS) as pool:
        listening = pool.map(listen, range(LISTENERS))
        all_open.wait(30)
        ids = own_site.publish(topic, *(b"x" for _ in range(LISTENERS)))
        list(listening)

    assert sorted(received) == sorted(ids)


def test_two_hundred_subscriptions_get_every_message(own_site: Site) -> None:
    topic = own_site.topic()
    subscriptions = [own_site.subscription(topic) for _ in range(LISTENERS)]

    own_site.publish(topic, b"1", b"2")

    assert all(sorted(own_site.bodies(each, 2)) == [b"1", b"2"] for each in subscriptions)


def test_a_thousand_topics_are_created_and_listed(own_site: Site) -> None:
    names = {f"{PROJECT}/topics/topic-{number}" for number in range(1001)}
    for name in names:
        own_site.raw_publisher.create_topic(name=name)

    listed = [topic.name for topic in own_site.raw_publisher.list_topics(project=PROJECT)]

    assert len(listed) == 1001
    assert set(listed) == names


def test_a_backlog_beyond_memory_comes_back_from_the_file(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    own_site.publish(topic, *(b"%02d" % number + b"x" * 2_500_000 for number in range(40)))

    with own_site.listener(subscription, max_bytes=200_000_000) as listener:
        assert {message.data[:2] for message in listener.take(40, seconds=30)} == {
            b"%02d" % number for number in range(40)
        }


@pytest.mark.parametrize("size_bytes", [20_000_000, 80_000_000])
def test_a_huge_request_is_refused_and_the_broker_goes_on(own_site: Site, size_bytes: int) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)

    with pytest.raises((exceptions.InvalidArgument, exceptions.ResourceExhausted)):
        own_site.publish_raw(topic, {"data": b"x" * size_bytes})
    own_site.publish(topic, b"small")

    assert own_site.bodies(subscription) == [b"small"]


def test_metrics_tell_what_happened(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    own_site.publish(topic, b"1", b"2", b"3")
    own_site.ack(subscription, own_site.pull(subscription))

    metrics = own_broker.metrics()

    assert metrics["tidemill_broker_messages_published_total"] == 3
    assert metrics["tidemill_broker_messages_delivered_total"] == 1
    assert metrics["tidemill_broker_messages_acknowledged_total"] == 1
    assert metrics[f'tidemill_broker_backlog_messages{{subscription="{subscription}"}}'] == 2
    assert metrics["tidemill_broker_commit_seconds_count"] > 0
