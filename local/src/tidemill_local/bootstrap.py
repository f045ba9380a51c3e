"""Creates the topics and subscriptions that Tidemill stands on; on Google Cloud `k8s/` declares the same."""

from contextlib import suppress

from google.api_core.exceptions import AlreadyExists
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1.types import DeadLetterPolicy, RetryPolicy, Subscription

from tidemill_contracts import topology
from tidemill_runtime.logs import configure_logging, get_logger
from tidemill_runtime.settings import ServiceSettings

DEADLINE_SECONDS = 10


def create_resources(project: str) -> None:
    """Create what is missing on the broker the environment names; what exists stays as it is."""
    with PublisherClient() as publisher:
        for topic in topology.TOPICS:
            with suppress(AlreadyExists):
                publisher.create_topic(name=publisher.topic_path(project, topic), timeout=DEADLINE_SECONDS)
    with SubscriberClient() as subscriber:
        for subscription in topology.SUBSCRIPTIONS:
            with suppress(AlreadyExists):
                subscriber.create_subscription(_request(project, subscription), timeout=DEADLINE_SECONDS)


def _request(project: str, subscription: topology.Subscription) -> Subscription:
    least_seconds, most_seconds = topology.RETRY_BACKOFF_SECONDS
    request = Subscription(
        name=SubscriberClient.subscription_path(project, subscription.name),
        topic=SubscriberClient.topic_path(project, subscription.topic),
        ack_deadline_seconds=topology.ACK_DEADLINE_SECONDS,
        filter=subscription.filter,
        retry_policy=RetryPolicy(
            minimum_backoff=Duration(seconds=least_seconds), maximum_backoff=Duration(seconds=most_seconds)
        ),
    )
    if subscription.dead_letters:
        request.dead_letter_policy = DeadLetterPolicy(
            dead_letter_topic=SubscriberClient.topic_path(project, topology.DEAD_LETTER_TOPIC),
            max_delivery_attempts=topology.MAX_DELIVERY_ATTEMPTS,
        )
    return request


def main() -> None:
    """Create everything for the project that the settings name."""
    settings = ServiceSettings()
    configure_logging("bootstrap", log_format=settings.log_format, level=settings.log_level)
    create_resources(settings.project)
    get_logger().info(
        "resources-exist", topics=len(topology.TOPICS), subscriptions=len(topology.SUBSCRIPTIONS)
    )


if __name__ == "__main__":
    main()
