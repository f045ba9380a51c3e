"""What happens to a `PubsubMessage` itself: checked and stamped at publish, relabelled as a dead letter."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tidemill_local.broker.errors import InvalidArgumentError
from tidemill_local.broker.names import project_of
from tidemill_local.broker.wire import PubsubMessage

MAX_REQUEST_BYTES = 10_000_000
MAX_MESSAGES = 1_000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1_024
MAX_ORDERING_KEY_BYTES = 1_024


def check_publish(messages: Sequence[Any], request_bytes: int) -> None:
    """Hold a publish request to Cloud Pub/Sub's limits.

    Raises:
        InvalidArgumentError: naming the limit and what was received.
    """
    if not messages:
        raise InvalidArgumentError("No messages to publish: expected at least 1, received 0.")
    _limit("message_count", len(messages), MAX_MESSAGES)
    _limit("request_size", request_bytes, MAX_REQUEST_BYTES)
    for message in messages:
        if not message.data and not message.attributes:
            raise InvalidArgumentError(
                "Some messages are empty: expected non-empty data or at least 1 attribute."
            )
        _limit("ordering_key size", len(message.ordering_key.encode()), MAX_ORDERING_KEY_BYTES)
        if message.attributes:
            _check_attributes(message.attributes)
    if len({message.ordering_key for message in messages}) > 1:
        raise InvalidArgumentError(
            "In a single publish request, all messages must have the same ordering key."
        )


def stamp(message: Any, seq: int) -> bytes:
    """Give a message its id and publish time, and serialise it."""
    message.message_id = str(seq)
    message.publish_time.FromMicroseconds(seq)
    payload: bytes = message.SerializeToString()
    return payload


def dead_letter(payload: bytes, subscription_name: str, delivery_count: int) -> Any:
    """The message to publish to the dead-letter topic, with the attributes Cloud Pub/Sub adds."""
    message = PubsubMessage.FromString(payload)
    published = datetime.fromtimestamp(int(message.message_id) / 1e6, UTC)
    prefix = "CloudPubSubDeadLetterSource"
    message.attributes[f"{prefix}Subscription"] = subscription_name.rpartition("/")[2]
    message.attributes[f"{prefix}SubscriptionProject"] = project_of(subscription_name)
    message.attributes[f"{prefix}DeliveryCount"] = str(delivery_count)
    message.attributes[f"{prefix}TopicPublishTime"] = published.isoformat(timespec="milliseconds")
    return message


def _check_attributes(attributes: Any) -> None:
    _limit("attribute count", len(attributes), MAX_ATTRIBUTES)
    for key, value in attributes.items():
        _limit("attribute key size", len(key.encode()), MAX_KEY_BYTES)
        _limit("attribute value size", len(value.encode()), MAX_VALUE_BYTES)
        if not key or key.startswith("goog"):
            raise InvalidArgumentError(
                f"Attribute keys must not be empty or start with 'goog'; received {key!r}."
            )


def _limit(what: str, received: int, maximum: int) -> None:
    if received > maximum:
        raise InvalidArgumentError(
            f"The value for {what} is too large. You passed {received} in the request, "
            f"but the maximum value is {maximum}."
        )
