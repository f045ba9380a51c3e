"""Topic and subscription configurations: what is accepted, what defaults apply, what may change.

A field outside the supported set is refused, never ignored, and so is any field a later revision of
the API brings.
"""

from datetime import timedelta
from typing import Any

from tidemill_local.broker.delivery import DeliveryPolicy
from tidemill_local.broker.errors import InvalidArgumentError, UnsupportedError
from tidemill_local.broker.filters import compile_filter
from tidemill_local.broker.names import check_name
from tidemill_local.broker.wire import FieldMask, Subscription, Topic

MIN_RETENTION = timedelta(minutes=10)
MAX_RETENTION = timedelta(days=31)
DEFAULT_RETENTION = timedelta(days=7)
DEFAULT_TTL = timedelta(days=31)
MIN_TTL = timedelta(days=1)
MAX_BACKOFF_SECONDS = 600
DEFAULT_BACKOFF_SECONDS = 10

_TOPIC_MUTABLE = frozenset({"labels", "message_retention_duration"})
_TOPIC_FIELDS = _TOPIC_MUTABLE | {"name", "state"}
_SUBSCRIPTION_MUTABLE = frozenset(
    {
        "ack_deadline_seconds",
        "dead_letter_policy",
        "enable_exactly_once_delivery",
        "expiration_policy",
        "labels",
        "message_retention_duration",
        "push_config",
        "retain_acked_messages",
        "retry_policy",
    }
)
_SUBSCRIPTION_FIELDS = _SUBSCRIPTION_MUTABLE | {
    "detached",
    "enable_message_ordering",
    "filter",
    "name",
    "state",
    "topic",
    "topic_message_retention_duration",
}


def topic_config(requested: Any) -> Any:
    """A checked copy of a requested `Topic`."""
    _refuse_unsupported(requested, _TOPIC_FIELDS)
    check_name("topics", requested.name)
    config = Topic()
    config.CopyFrom(requested)
    if config.HasField("message_retention_duration"):
        _check_duration("message_retention_duration", config, MIN_RETENTION, MAX_RETENTION)
    config.state = Topic.ACTIVE
    return config


def subscription_config(requested: Any) -> Any:
    """A checked copy of a requested `Subscription`, with Cloud Pub/Sub's defaults filled in."""
    _refuse_unsupported(requested, _SUBSCRIPTION_FIELDS)
    if requested.push_config.ListFields():
        raise UnsupportedError(f"Push delivery (push_config {{{_one_line(requested.push_config)}}})")
    check_name("subscriptions", requested.name)
    config = Subscription()
    config.CopyFrom(requested)
    config.push_config.SetInParent()
    config.ack_deadline_seconds = config.ack_deadline_seconds or 10
    _check_range("ack_deadline_seconds", config.ack_deadline_seconds, 10, 600)
    if not config.HasField("message_retention_duration"):
        config.message_retention_duration.FromTimedelta(DEFAULT_RETENTION)
    _check_duration("message_retention_duration", config, MIN_RETENTION, MAX_RETENTION)
    if not config.HasField("expiration_policy"):
        config.expiration_policy.ttl.FromTimedelta(DEFAULT_TTL)
    elif config.expiration_policy.HasField("ttl"):
        _check_duration("ttl", config.expiration_policy, MIN_TTL, timedelta(days=365))
    compile_filter(config.filter or "attributes:x")
    _complete_retry_policy(config)
    _complete_dead_letter_policy(config)
    config.state = Subscription.ACTIVE
    return config


def merge_topic(current: Any, changes: Any, mask: Any) -> Any:
    """`current` with the masked fields taken from `changes`, checked."""
    return topic_config(_merge(current, changes, mask, _TOPIC_MUTABLE))


def merge_subscription(current: Any, changes: Any, mask: Any) -> Any:
    """`current` with the masked fields taken from `changes`, checked and with defaults."""
    return subscription_config(_merge(current, changes, mask, _SUBSCRIPTION_MUTABLE))


def delivery_policy(config: Any) -> DeliveryPolicy:
    """What the state machine needs to know of a checked `Subscription`."""
    retry = config.retry_policy
    return DeliveryPolicy(
        ack_deadline_seconds=config.ack_deadline_seconds,
        ordered=config.enable_message_ordering,
        exactly_once=config.enable_exactly_once_delivery,
        max_delivery_attempts=config.dead_letter_policy.max_delivery_attempts or None,
        minimum_backoff_seconds=retry.minimum_backoff.ToTimedelta().total_seconds(),
        maximum_backoff_seconds=retry.maximum_backoff.ToTimedelta().total_seconds(),
    )


def _merge(current: Any, changes: Any, mask: Any, mutable: frozenset[str]) -> Any:
    kind = current.DESCRIPTOR.name
    if not mask.paths:
        raise InvalidArgumentError(
            f"The update_mask of Update{kind} must contain at least 1 path, received none."
        )
    if not FieldMask(paths=mask.paths).IsValidForDescriptor(current.DESCRIPTOR):
        raise InvalidArgumentError(
            f"Invalid update_mask in Update{kind}: unknown field among {list(mask.paths)} of {kind}."
        )
    fixed = sorted(path for path in mask.paths if path.partition(".")[0] not in mutable)
    if fixed:
        raise InvalidArgumentError(
            f"Invalid update_mask in Update{kind}: not mutable in a {kind}: {', '.join(fixed)}."
        )
    merged = type(current)()
    merged.CopyFrom(current)
    mask.MergeMessage(changes, merged, replace_message_field=True, replace_repeated_field=True)
    return merged


def _refuse_unsupported(requested: Any, supported: frozenset[str]) -> None:
    for field, value in requested.ListFields():
        if field.name not in supported:
            raise UnsupportedError(f"{requested.DESCRIPTOR.name}.{field.name} {{{_one_line(value)}}}")


def _complete_retry_policy(config: Any) -> None:
    if not config.HasField("retry_policy"):
        return
    policy = config.retry_policy
    for field, default in (
        ("minimum_backoff", DEFAULT_BACKOFF_SECONDS),
        ("maximum_backoff", MAX_BACKOFF_SECONDS),
    ):
        if not policy.HasField(field):
            getattr(policy, field).FromSeconds(default)
        _check_duration(field, policy, timedelta(0), timedelta(seconds=MAX_BACKOFF_SECONDS))
    minimum, maximum = policy.minimum_backoff.ToTimedelta(), policy.maximum_backoff.ToTimedelta()
    if minimum > maximum:
        raise InvalidArgumentError(
            f"Expected minimum_backoff at most maximum_backoff ({maximum.total_seconds()}s), "
            f"received {minimum.total_seconds()}s."
        )


def _complete_dead_letter_policy(config: Any) -> None:
    if not config.HasField("dead_letter_policy"):
        return
    policy = config.dead_letter_policy
    check_name("topics", policy.dead_letter_topic)
    policy.max_delivery_attempts = policy.max_delivery_attempts or 5
    _check_range("max_delivery_attempts", policy.max_delivery_attempts, 5, 100)


def _check_duration(field: str, message: Any, minimum: timedelta, maximum: timedelta) -> None:
    duration = getattr(message, field).ToTimedelta()
    _check_range(field, duration.total_seconds(), minimum.total_seconds(), maximum.total_seconds())


def _check_range(field: str, received: float, minimum: float, maximum: float) -> None:
    if not minimum <= received <= maximum:
        raise InvalidArgumentError(
            f"The value for {field} is out of bounds. You passed {received:.10g} in the request, "
            f"but the value must be between {minimum:.10g} and {maximum:.10g}."
        )


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:200]
