"""What may be published, and what arrives."""

import os
import uuid
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from pubsub_site import CALL_SECONDS, Site

NO_LIMIT = "the emulator does not check it"


def test_a_message_arrives_as_it_was_published(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    (message_id,) = site.publish(topic, b"\x00body\xff", **{"ce-type": "a.b", "empty": "", "ü": "ß"})

    (received,) = site.pull(subscription)
    assert received.message.data == b"\x00body\xff"
    assert dict(received.message.attributes) == {"ce-type": "a.b", "empty": "", "ü": "ß"}
    assert received.message.message_id == message_id
    assert received.message.publish_time.timestamp() > 0
    assert received.delivery_attempt == 0


def test_attributes_alone_make_a_message(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    site.publish(topic, b"", only="attribute")

    assert dict(site.pull(subscription)[0].message.attributes) == {"only": "attribute"}


def test_message_ids_are_unique_and_every_subscription_gets_every_message(site: Site) -> None:
    topic = site.topic()
    subscriptions = [site.subscription(topic) for _ in range(3)]

    ids = site.publish(topic, *(b"%d" % number for number in range(50)))

    assert len(set(ids)) == 50
    for subscription in subscriptions:
        assert {each.message.message_id for each in site.pull(subscription, 50)} == set(ids)


def test_a_subscription_sees_nothing_published_before_it(site: Site) -> None:
    topic = site.topic()
    site.publish(topic, b"before")

    subscription = site.subscription(topic)
    site.publish(topic, b"after")

    assert site.bodies(subscription, 2, seconds=0.5) == [b"after"]


@pytest.mark.parametrize("messages", [[], [{"data": b""}], [{"data": b"x"}, {}], [{"data": b"x"}] * 1001])
def test_empty_and_overlong_publishes_are_refused_whole(site: Site, messages: list[Any]) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    with pytest.raises(exceptions.InvalidArgument):
        site.publish_raw(topic, *messages)
    assert site.pull(subscription, seconds=0.2) == []


@pytest.mark.differs(NO_LIMIT)
def test_ten_megabytes_are_the_limit(site: Site) -> None:
    topic = site.topic()

    with pytest.raises(exceptions.InvalidArgument, match="10000000"):
        site.publish_raw(topic, {"data": b"x" * 10_000_001})


def test_a_message_just_under_the_limit_arrives(site: Site) -> None:
    """By a channel of its own: the client's channel to an emulator receives 4 MB at most."""
    topic = site.topic()
    subscription = site.subscription(topic)
    body = uuid.uuid4().bytes * 620_000
    target = os.environ["PUBSUB_EMULATOR_HOST"]
    with grpc.insecure_channel(target, [("grpc.max_receive_message_length", -1)]) as channel:
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

        site.publish_raw(topic, {"data": body})

        (received,) = subscriber.pull(
            subscription=subscription, max_messages=1, timeout=CALL_SECONDS
        ).received_messages
    assert received.message.data == body


@pytest.mark.differs(NO_LIMIT)
@pytest.mark.parametrize(
    "attributes",
    [{str(n): "" for n in range(101)}, {"k" * 257: ""}, {"k": "v" * 1025}, {"goog": ""}, {"": "v"}],
)
def test_attributes_have_limits(site: Site, attributes: dict[str, str]) -> None:
    topic = site.topic()

    with pytest.raises(exceptions.InvalidArgument, match=r"[Aa]ttribute"):
        site.publish_raw(topic, {"attributes": attributes})


@pytest.mark.differs("responses grow past the 4 MB the client can receive")
def test_large_messages_are_split_into_responses_the_client_can_receive(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    sizes = [900_000, 3_900_000, 900_000, 3_900_000]
    site.publish(topic, *(b"x" * size for size in sizes))

    with site.listener(subscription) as listener:
        assert sorted(len(message.data) for message in listener.take(4, seconds=5)) == sorted(sizes)


@pytest.mark.differs(NO_LIMIT)
def test_one_request_has_one_ordering_key(site: Site) -> None:
    messages = [{"data": b"1", "ordering_key": "a"}, {"data": b"2", "ordering_key": "b"}]

    with pytest.raises(exceptions.InvalidArgument, match="ordering key"):
        site.publish_raw(site.topic(), *messages)
