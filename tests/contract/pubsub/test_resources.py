"""Topics and subscriptions as resources."""

import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import Subscription, Topic
from pubsub_site import CALL_SECONDS, PROJECT, Site

ABSENT_TOPIC = f"{PROJECT}/topics/absent"
ABSENT_SUBSCRIPTION = f"{PROJECT}/subscriptions/absent"


def test_a_topic_is_created_found_listed_and_deleted(site: Site) -> None:
    topic = site.topic(labels={"stage": "test"})

    assert dict(site.raw_publisher.get_topic(topic=topic).labels) == {"stage": "test"}
    assert topic in [each.name for each in site.raw_publisher.list_topics(project=PROJECT)]
    site.raw_publisher.delete_topic(topic=topic)
    with pytest.raises(exceptions.NotFound):
        site.raw_publisher.get_topic(topic=topic)


def test_a_subscription_is_created_found_listed_and_deleted(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic, ack_deadline_seconds=30)

    assert site.subscriber.get_subscription(subscription=subscription).ack_deadline_seconds == 30
    assert subscription in [each.name for each in site.subscriber.list_subscriptions(project=PROJECT)]
    assert list(site.raw_publisher.list_topic_subscriptions(topic=topic)) == [subscription]
    site.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        site.subscriber.get_subscription(subscription=subscription)


def test_names_are_taken_once(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)

    with pytest.raises(exceptions.AlreadyExists):
        site.raw_publisher.create_topic(name=topic)
    with pytest.raises(exceptions.AlreadyExists):
        site.subscriber.create_subscription(name=subscription, topic=topic)


@pytest.mark.parametrize(
    "name",
    ["garbage", "projects/p/topics/ab", "projects/p/topics/googtopic", "projects/p/subscriptions/topic", "é"],
)
def test_garbage_names_are_invalid(site: Site, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Invalid"):
        site.raw_publisher.create_topic(name=name)


def test_absent_resources_are_not_found(site: Site) -> None:
    subscriber, publisher = site.subscriber, site.raw_publisher
    calls: list[Any] = [
        lambda: publisher.get_topic(topic=ABSENT_TOPIC),
        lambda: publisher.delete_topic(topic=ABSENT_TOPIC),
        lambda: site.publish_raw(ABSENT_TOPIC, {"data": b"x"}),
        lambda: site.subscription(ABSENT_TOPIC),
        lambda: subscriber.get_subscription(subscription=ABSENT_SUBSCRIPTION),
        lambda: subscriber.delete_subscription(subscription=ABSENT_SUBSCRIPTION),
        lambda: subscriber.pull(subscription=ABSENT_SUBSCRIPTION, max_messages=1),
        lambda: subscriber.acknowledge(subscription=ABSENT_SUBSCRIPTION, ack_ids=["x"]),
        lambda: subscriber.get_snapshot(snapshot=f"{PROJECT}/snapshots/absent"),
    ]

    for call in calls:
        with pytest.raises(exceptions.NotFound):
            call()


def test_lists_come_in_pages_that_add_up(site: Site) -> None:
    project = f"projects/p-{uuid.uuid4().hex[:8]}"
    names = {f"{project}/topics/topic-{number}" for number in range(7)}
    for name in names:
        site.raw_publisher.create_topic(name=name)

    pages = list(site.raw_publisher.list_topics(request={"project": project, "page_size": 3}).pages)

    assert [len(page.topics) for page in pages] == [3, 3, 1]
    assert {topic.name for page in pages for topic in page.topics} == names


@pytest.mark.differs("UpdateTopic changes nothing but schemas")
def test_a_topic_is_updated_field_by_field(site: Site) -> None:
    topic = site.topic(labels={"a": "1"})
    changes = Topic(name=topic, labels={"b": "2"}, message_retention_duration={"seconds": 600})

    updated = site.raw_publisher.update_topic(topic=changes, update_mask=FieldMask(paths=["labels"]))

    assert (dict(updated.labels), bool(updated.message_retention_duration)) == ({"b": "2"}, False)


def test_a_subscription_is_updated_field_by_field(site: Site) -> None:
    subscription = site.subscription(site.topic(), retain_acked_messages=True)
    changes = Subscription(name=subscription, ack_deadline_seconds=44)

    updated = site.subscriber.update_subscription(
        subscription=changes, update_mask={"paths": ["ack_deadline_seconds"]}
    )

    assert (updated.ack_deadline_seconds, updated.retain_acked_messages) == (44, True)
    assert site.subscriber.get_subscription(subscription=subscription) == updated


@pytest.mark.parametrize("path", ["filter", "topic", "enable_message_ordering", "nonsense"])
def test_what_cannot_change_is_refused(site: Site, path: str) -> None:
    subscription = site.subscription(site.topic())

    with pytest.raises(exceptions.InvalidArgument):
        site.subscriber.update_subscription(
            subscription=Subscription(name=subscription), update_mask={"paths": [path]}
        )


@pytest.mark.parametrize(
    "config",
    [
        {"ack_deadline_seconds": 601},
        {"message_retention_duration": {"seconds": 5}},
        {"retry_policy": {"minimum_backoff": {"seconds": 601}}},
    ],
)
def test_values_out_of_range_are_refused(site: Site, config: dict[str, Any]) -> None:
    with pytest.raises(exceptions.BadRequest):
        site.subscription(site.topic(), **config)


def test_a_dead_letter_policy_has_five_to_a_hundred_attempts_and_a_topic(site: Site) -> None:
    topic = site.topic()

    for attempts in (4, 101):
        with pytest.raises(exceptions.BadRequest):
            site.subscription(
                topic, dead_letter_policy={"dead_letter_topic": topic, "max_delivery_attempts": attempts}
            )
    with pytest.raises(exceptions.NotFound):
        site.subscription(topic, dead_letter_policy={"dead_letter_topic": ABSENT_TOPIC})


@pytest.mark.differs("push, BigQuery and Cloud Storage subscriptions are accepted, and the last two ignored")
@pytest.mark.parametrize(
    "config",
    [
        {"push_config": {"push_endpoint": "http://127.0.0.1:1/"}},
        {"bigquery_config": {"table": "p.d.t"}},
        {"cloud_storage_config": {"bucket": "bucket"}},
        {"message_transforms": [{"javascript_udf": {"function_name": "f", "code": "function f(m) {}"}}]},
    ],
)
def test_what_is_not_supported_is_refused_and_not_ignored(site: Site, config: dict[str, Any]) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match=next(iter(config))):
        site.subscription(site.topic(), **config)


@pytest.mark.differs("the emulator has push")
def test_a_subscription_cannot_be_turned_to_push(site: Site) -> None:
    subscription = site.subscription(site.topic())

    with pytest.raises(exceptions.MethodNotImplemented, match="Push"):
        site.subscriber.modify_push_config(
            subscription=subscription, push_config={"push_endpoint": "http://127.0.0.1:1/"}
        )


@pytest.mark.differs("the emulator has schemas")
def test_schemas_are_refused(site: Site) -> None:
    schemas = pubsub_v1.SchemaServiceClient()

    with pytest.raises(exceptions.MethodNotImplemented, match="SchemaService"):
        schemas.get_schema(name=f"{PROJECT}/schemas/schema", timeout=CALL_SECONDS)


def test_a_deleted_topic_leaves_its_subscriptions_with_what_they_have(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"last")

    site.raw_publisher.delete_topic(topic=topic)

    assert site.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert site.bodies(subscription) == [b"last"]


def test_a_topic_created_again_does_not_inherit_subscriptions(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.raw_publisher.delete_topic(topic=topic)

    site.raw_publisher.create_topic(name=topic)
    site.publish(topic, b"new")

    assert site.bodies(subscription, seconds=0.5) == []


@pytest.mark.differs("DetachSubscription is not implemented")
def test_a_detached_subscription_refuses_to_be_pulled(site: Site) -> None:
    topic = site.topic()
    subscription = site.subscription(topic)
    site.publish(topic, b"lost")

    site.raw_publisher.detach_subscription(request={"subscription": subscription})

    with pytest.raises(exceptions.FailedPrecondition):
        site.pull(subscription)
    assert site.subscriber.get_subscription(subscription=subscription).detached
    assert list(site.raw_publisher.list_topic_subscriptions(topic=topic)) == []
