"""What examples ask of the Google Cloud CLI, of the broker that PUBSUB_EMULATOR_HOST names.

The CLI itself speaks to Google alone; that it knows these commands is checked in tests/cloud.
"""

import json
import re
import sys

from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import Subscription

PULL_SECONDS = 5


def main(words: list[str]) -> None:
    """Do one command; raise KeyError for another."""
    verbs = [each for each in words if not each.startswith("--")]
    flags = dict(each.removeprefix("--").partition("=")[::2] for each in words if each.startswith("--"))
    commands = {
        "pubsub topics publish": publish,
        "pubsub subscriptions create": create,
        "pubsub subscriptions pull": pull,
        "pubsub subscriptions delete": delete,
        "config set": lambda *_: None,
    }
    command = next(each for each in commands if " ".join(verbs).startswith(each))
    commands[command](verbs[-1], flags)


def publish(topic: str, flags: dict[str, str]) -> None:
    attributes = dict(each.split("=", 1) for each in flags["attribute"].split(","))
    client = PublisherClient()
    path = client.topic_path("tidemill", topic)
    client.publish(path, flags["message"].encode(), **attributes).result(timeout=PULL_SECONDS)


def create(name: str, flags: dict[str, str]) -> None:
    assert re.fullmatch(r"\d+h", flags["expiration-period"])
    with SubscriberClient() as client:
        path = client.subscription_path("tidemill", name)
        topic = client.topic_path("tidemill", flags["topic"])
        client.create_subscription(Subscription(name=path, topic=topic, filter=flags["message-filter"]))


def pull(name: str, flags: dict[str, str]) -> None:
    with SubscriberClient() as client:
        path = client.subscription_path("tidemill", name)
        try:
            answer = client.pull(subscription=path, max_messages=int(flags["limit"]), timeout=PULL_SECONDS)
        except DeadlineExceeded:
            sys.stdout.write("[]\n")
            return
        if answer.received_messages:
            ids = [each.ack_id for each in answer.received_messages]
            client.acknowledge(subscription=path, ack_ids=ids)
        told = [
            {"message": {"attributes": dict(each.message.attributes)}} for each in answer.received_messages
        ]
        sys.stdout.write(json.dumps(told) + "\n")


def delete(name: str, _: dict[str, str]) -> None:
    with SubscriberClient() as client:
        client.delete_subscription(subscription=client.subscription_path("tidemill", name))


if __name__ == "__main__":
    main(sys.argv[1:])
