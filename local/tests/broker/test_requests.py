"""Names, pages, message limits and configurations: what is accepted and what is refused, without a server."""

from typing import Any

import pytest

from tidemill_local.broker import wire
from tidemill_local.broker.configs import (
    delivery_policy,
    merge_subscription,
    subscription_config,
    topic_config,
)
from tidemill_local.broker.envelope import check_publish, dead_letter, stamp
from tidemill_local.broker.errors import InvalidArgumentError, UnsupportedError
from tidemill_local.broker.names import check_name, check_project
from tidemill_local.broker.pages import page

TOPIC = "projects/p/topics/events"


def a_subscription(**changes: Any) -> Any:
    return wire.Subscription(**{"name": "projects/p/subscriptions/sub", "topic": TOPIC, **changes})


def a_message(**changes: Any) -> Any:
    return wire.PubsubMessage(**{"data": b"x", **changes})


@pytest.mark.parametrize(
    "name", [TOPIC, "projects/my.project:x/topics/A-b_c.d~e+f%g", "projects/p/topics/" + "a" * 255]
)
def test_well_formed_names_are_accepted(name: str) -> None:
    assert check_name("topics", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "events",
        "projects/p/subscriptions/events",
        "projects//topics/events",
        "projects/p/topics/ab",
        "projects/p/topics/1abc",
        "projects/p/topics/google-events",
        "projects/p/topics/" + "a" * 256,
        "projects/p/topics/a b c",
        "projects/p/topics/evénts",
        "projects/p/topics/events/more",
        "projects/p/topics/events\n",
        "projects/../../etc/topics/events",
    ],
)
def test_garbage_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid"):
        check_name("topics", name)


def test_a_project_is_projects_and_an_id() -> None:
    assert check_project("projects/p") == "projects/p"
    with pytest.raises(InvalidArgumentError):
        check_project("p")


def test_pages_continue_where_the_last_one_ended() -> None:
    names = [f"name-{number}" for number in (3, 1, 5, 2, 4)]

    first, token = page(names, 2, "")
    second, token = page([*names, "name-0"], 2, token)
    third, end = page(names, 2, token)

    assert [first, second, third] == [["name-1", "name-2"], ["name-3", "name-4"], ["name-5"]]
    assert end == ""


@pytest.mark.parametrize(
    ("messages", "request_bytes", "complaint"),
    [
        ([], 0, "received 0"),
        ([a_message(data=b"")], 10, "empty"),
        ([a_message()] * 1001, 10, "message_count is too large. You passed 1001"),
        ([a_message()], 10_000_001, "request_size is too large"),
        ([a_message(attributes={str(n): "" for n in range(101)})], 10, "attribute count"),
        ([a_message(attributes={"é" * 129: ""})], 10, "attribute key size is too large. You passed 258"),
        ([a_message(attributes={"k": "é" * 513})], 10, "You passed 1026"),
        ([a_message(attributes={"goog-x": ""})], 10, "start with 'goog'"),
        ([a_message(attributes={"": ""})], 10, "empty"),
        ([a_message(ordering_key="k" * 1025)], 10, "ordering_key"),
        ([a_message(ordering_key="a"), a_message(ordering_key="b")], 10, "same ordering key"),
    ],
)
def test_a_publish_outside_the_limits_is_refused(
    messages: list[Any], request_bytes: int, complaint: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=complaint):
        check_publish(messages, request_bytes)


def test_a_dead_letter_keeps_the_message_and_says_where_it_came_from() -> None:
    original = a_message(attributes={"ce-id": "7"}, ordering_key="k")
    payload = stamp(original, 1_700_000_000_123_456)

    letter = dead_letter(payload, "projects/p/subscriptions/sub", 5)

    assert (letter.data, letter.ordering_key) == (b"x", "k")
    assert dict(letter.attributes) == {
        "ce-id": "7",
        "CloudPubSubDeadLetterSourceSubscription": "sub",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceTopicPublishTime": "2023-11-14T22:13:20.123+00:00",
    }


def test_a_subscription_gets_the_defaults_of_cloud_pubsub() -> None:
    config = subscription_config(
        a_subscription(retry_policy={}, dead_letter_policy={"dead_letter_topic": TOPIC})
    )

    assert config.ack_deadline_seconds == 10
    assert config.message_retention_duration.seconds == 7 * 86400
    assert config.expiration_policy.ttl.seconds == 31 * 86400
    policy = delivery_policy(config)
    assert (policy.minimum_backoff_seconds, policy.maximum_backoff_seconds) == (10, 600)
    assert policy.max_delivery_attempts == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"ack_deadline_seconds": 9},
        {"ack_deadline_seconds": 601},
        {"message_retention_duration": {"seconds": 599}},
        {"message_retention_duration": {"seconds": 31 * 86400 + 1}},
        {"expiration_policy": {"ttl": {"seconds": 86399}}},
        {"retry_policy": {"minimum_backoff": {"seconds": 601}}},
        {"retry_policy": {"minimum_backoff": {"seconds": 60}, "maximum_backoff": {"seconds": 30}}},
        {"dead_letter_policy": {"dead_letter_topic": TOPIC, "max_delivery_attempts": 4}},
        {"dead_letter_policy": {"dead_letter_topic": TOPIC, "max_delivery_attempts": 101}},
        {"dead_letter_policy": {"dead_letter_topic": "events"}},
        {"filter": "junk"},
        {"name": "sub"},
    ],
)
def test_a_subscription_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        subscription_config(a_subscription(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"push_config": {"push_endpoint": "http://localhost"}},
        {"bigquery_config": {"table": "p.d.t"}},
        {"cloud_storage_config": {"bucket": "b"}},
        {"message_transforms": [{"javascript_udf": {"function_name": "f", "code": "c"}}]},
        {"tags": {"k": "v"}},
    ],
)
def test_what_is_not_supported_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(changes))):
        subscription_config(a_subscription(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_settings": {"schema": "projects/p/schemas/s"}},
        {"kms_key_name": "key"},
        {"message_storage_policy": {"allowed_persistence_regions": ["europe-west1"]}},
        {"ingestion_data_source_settings": {"aws_kinesis": {"stream_arn": "arn"}}},
    ],
)
def test_topic_features_that_are_not_supported_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(changes))):
        topic_config(wire.Topic(name=TOPIC, **changes))


@pytest.mark.parametrize(
    "path", ["filter", "topic", "name", "enable_message_ordering", "nonsense", "labels.x.y"]
)
def test_an_update_mask_may_name_only_what_can_change(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match="update_mask"):
        merge_subscription(a_subscription(), a_subscription(), wire.FieldMask(paths=[path]))


def test_an_update_touches_only_the_masked_fields() -> None:
    current = subscription_config(a_subscription(labels={"a": "1"}, ack_deadline_seconds=20))
    changes = a_subscription(labels={"b": "2"}, ack_deadline_seconds=30, retain_acked_messages=True)

    merged = merge_subscription(current, changes, wire.FieldMask(paths=["labels"]))

    assert dict(merged.labels) == {"b": "2"}
    assert (merged.ack_deadline_seconds, merged.retain_acked_messages) == (20, False)
