"""Seek and snapshots."""

import datetime as dt
import time
import uuid

import pytest
from google.api_core import exceptions
from google.pubsub_v1.types import Snapshot
from pubsub_site import PROJECT, Site

HOUR = dt.timedelta(hours=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def a_snapshot(site: Site, subscription: str) -> str:
    name = f"{PROJECT}/snapshots/s-{uuid.uuid4().hex}"
    site.subscriber.create_snapshot(name=name, subscription=subscription)
    return name


def test_a_seek_into_the_past_brings_retained_acked_messages_back(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, retain_acked_messages=True)
    site.publish(topic, b"old")
    site.bodies(subscription)
    time.sleep(0.05)
    between = now()
    site.publish(topic, b"new")
    site.bodies(subscription)

    site.subscriber.seek(request={"subscription": subscription, "time": between})

    assert site.bodies(subscription, 2, seconds=0.5) == [b"new"]
    site.subscriber.seek(request={"subscription": subscription, "time": now() - HOUR})
    assert sorted(site.bodies(subscription, 2)) == [b"new", b"old"]


def test_a_seek_into_the_past_brings_back_only_what_is_retained(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"acked", b"unacked")
    received = site.pull(subscription, 2)
    site.ack(subscription, [each for each in received if each.message.data == b"acked"])

    site.subscriber.seek(request={"subscription": subscription, "time": now() - HOUR})

    assert site.bodies(subscription, 2, seconds=0.5) == [b"unacked"]


def test_a_seek_into_the_future_acks_everything(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"1", b"2")

    site.subscriber.seek(request={"subscription": subscription, "time": now() + HOUR})

    assert site.pull(subscription, seconds=0.3) == []


@pytest.mark.differs("topics retain nothing")
def test_a_topic_that_retains_messages_serves_later_subscriptions_on_seek(site: Site) -> None:
    topic = site.topic(message_retention_duration={"seconds": 600})
    site.publish(topic, b"before")
    subscription = site.subscription(topic)
    assert site.pull(subscription, seconds=0.2) == []

    site.subscriber.seek(request={"subscription": subscription, "time": now() - HOUR})

    assert site.bodies(subscription) == [b"before"]
    assert site.subscriber.get_subscription(
        subscription=subscription
    ).topic_message_retention_duration == dt.timedelta(minutes=10)


def test_a_snapshot_brings_back_what_was_unacked_and_all_since(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"acked")
    site.bodies(subscription)
    site.publish(topic, b"unacked")
    snapshot = a_snapshot(site, subscription)
    site.publish(topic, b"since")
    assert len(site.bodies(subscription, 2)) == 2

    site.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})

    assert sorted(site.bodies(subscription, 3, seconds=0.7)) == [b"since", b"unacked"]


@pytest.mark.differs("a subscription gets nothing from before its creation")
def test_a_snapshot_serves_another_subscription_of_its_topic(site: Site) -> None:
    topic = site.topic()
    first = site.subscription(topic)
    site.publish(topic, b"x")
    snapshot = a_snapshot(site, first)
    second = site.subscription(topic)

    site.subscriber.seek(request={"subscription": second, "snapshot": snapshot})

    assert site.bodies(second) == [b"x"]


def test_a_snapshot_is_found_listed_and_deleted(site: Site) -> None:
    topic = site.topic()
    snapshot = a_snapshot(site, site.subscription(topic))

    found = site.subscriber.get_snapshot(snapshot=snapshot)
    assert found.topic == topic
    assert 6 < (found.expire_time - now()).total_seconds() / 86400 <= 7
    assert snapshot in [each.name for each in site.subscriber.list_snapshots(project=PROJECT)]
    site.subscriber.delete_snapshot(snapshot=snapshot)
    with pytest.raises(exceptions.NotFound):
        site.subscriber.get_snapshot(snapshot=snapshot)


@pytest.mark.differs("UpdateSnapshot and ListTopicSnapshots are not implemented")
def test_a_snapshot_can_be_labelled_and_found_by_topic(site: Site) -> None:
    topic = site.topic()
    snapshot = a_snapshot(site, site.subscription(topic))

    site.subscriber.update_snapshot(
        snapshot=Snapshot(name=snapshot, labels={"a": "b"}), update_mask={"paths": ["labels"]}
    )

    assert dict(site.subscriber.get_snapshot(snapshot=snapshot).labels) == {"a": "b"}
    assert list(site.raw_publisher.list_topic_snapshots(topic=topic)) == [snapshot]


def test_a_snapshot_of_another_topic_is_refused(site: Site) -> None:
    snapshot = a_snapshot(site, site.subscription(site.topic()))
    stranger = site.subscription(site.topic())

    with pytest.raises(exceptions.FailedPrecondition):
        site.subscriber.seek(request={"subscription": stranger, "snapshot": snapshot})


def test_a_seek_needs_a_target_that_exists(site: Site) -> None:
    subscription = site.subscription(site.topic())

    with pytest.raises(exceptions.InvalidArgument):
        site.subscriber.seek(request={"subscription": subscription})
    with pytest.raises(exceptions.NotFound):
        site.subscriber.seek(
            request={"subscription": subscription, "snapshot": f"{PROJECT}/snapshots/absent"}
        )
