"""What survives: every acknowledged publish and every confirmed ack, whenever the broker is killed."""

import random
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.types import Subscription
from pubsub_site import CALL_SECONDS, Site
from pubsub_targets import Broker, running_broker

KILLS = 6
PUBLISHERS = 3
"""Threads, each with a topic of its own in the same broker."""


@dataclass
class Ledger:
    """What the clients of a broker under fire were told."""

    published: set[str] = field(default_factory=set)
    handled: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


def publish_until(stop: threading.Event, site: Site, topic: str, ledger: Ledger) -> None:
    while not stop.is_set():
        future = site.publisher.publish(topic, b"x" * 200)
        message_id = future.result(CALL_SECONDS)
        with ledger.lock:
            ledger.published.add(message_id)


def test_no_acknowledged_publish_is_lost_to_kills(own_broker: Broker, own_site: Site) -> None:
    dice = random.Random(20_260_301)  # noqa: S311 - a seed for the moments of the kills
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    ledger, stop = Ledger(), threading.Event()

    def handle(message: Message) -> None:
        message.ack()
        with ledger.lock:
            ledger.handled.add(message.message_id)

    pull = own_site.subscriber.subscribe(subscription, handle)
    threads = [
        threading.Thread(target=publish_until, args=(stop, own_site, topic, ledger)) for _ in range(PUBLISHERS)
    ]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.3, 1.2))
        own_broker.kill()
        own_broker.start()
    stop.set()
    for thread in threads:
        thread.join(CALL_SECONDS)
    _await(lambda: ledger.published <= ledger.handled)
    pull.cancel()
    pull.result(CALL_SECONDS)

    assert len(ledger.published) > KILLS
    assert ledger.published <= ledger.handled
