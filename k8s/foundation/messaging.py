"""Topics and subscriptions, as the local broker is asked for them too."""

from collections.abc import Iterator

from foundation.resources import Resource, grant, resource
from tidemill_contracts import topology

RETENTION_SECONDS = 7 * 24 * 3600
# Who pulls what.
PULLS = {
    "ingest": (topology.INGEST,),
    "transform": (topology.TRANSFORM, topology.PREDICTIONS, topology.LEDGER, topology.DEAD_LETTERS),
    "trainer": (topology.TRAINER,),
    "serving": (topology.SERVING, topology.QUALITY),
    "controller": (topology.CONTROLLER,),
}


def topics() -> Iterator[Resource]:
    for name in topology.TOPICS:
        yield topic(name)


def topic(name: str) -> Resource:
    return resource("pubsub", "PubSubTopic", name)


def subscriptions() -> Iterator[Resource]:
    for subscribed in topology.SUBSCRIPTIONS:
        yield subscription(subscribed)


def subscription(subscribed: topology.Subscription) -> Resource:
    """Declare who hears what, for how long it waits, and what becomes of what nobody can handle."""
    least, most = (f"{seconds}s" for seconds in topology.RETRY_BACKOFF_SECONDS)
    spec: Resource = {
        "topicRef": {"name": subscribed.topic},
        "ackDeadlineSeconds": topology.ACK_DEADLINE_SECONDS,
        "messageRetentionDuration": f"{RETENTION_SECONDS}s",
        # Otherwise a subscription that was idle for 31 days is deleted.
        "expirationPolicy": {"ttl": ""},
        "retryPolicy": {"minimumBackoff": least, "maximumBackoff": most},
    }
    if subscribed.filter:
        spec["filter"] = subscribed.filter
    if subscribed.dead_letters:
        spec["deadLetterPolicy"] = {
            "deadLetterTopicRef": {"name": topology.DEAD_LETTER_TOPIC},
            "maxDeliveryAttempts": topology.MAX_DELIVERY_ATTEMPTS,
        }
    return resource("pubsub", "PubSubSubscription", subscribed.name, spec)


def access() -> Iterator[Resource]:
    """Let each service publish and pull, and Google's agents deliver notifications and dead letters."""
    yield grant("storage-agent", "pubsub.publisher", topic(topology.OBJECTS_TOPIC))
    yield grant("pubsub-agent", "pubsub.publisher", topic(topology.DEAD_LETTER_TOPIC))
    for each in topology.SUBSCRIPTIONS:
        if each.dead_letters:
            yield grant("pubsub-agent", "pubsub.subscriber", subscription(each))
    for service, pulled in PULLS.items():
        for name in (topology.EVENTS_TOPIC, topology.DEAD_LETTER_TOPIC):
            yield grant(service, "pubsub.publisher", topic(name))
        for each in pulled:
            yield grant(service, "pubsub.subscriber", subscription(each))
            # For the readiness check, which asks whether the subscription is there.
            yield grant(service, "pubsub.viewer", subscription(each))
