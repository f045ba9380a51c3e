"""Rules of the services' consumer: what becomes of a message whose time has not come."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from prometheus_client import REGISTRY
from pubsub_site import PROJECT, Site
from pubsub_targets import Broker

from tidemill_contracts.topology import Subscription
from tidemill_runtime import consumer as runtime
from tidemill_runtime.consumer import Consumer, Message, RetryLater


class Dependency:
    """Something a message needs, which is there from the `after`-th time that it is looked for."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.attempts: list[int | None] = []
        self.tried = threading.Event()
        self.there = threading.Event()

    def __call__(self, message: Message) -> None:
        self.attempts.append(message.delivery_attempt)
        self.tried.set()
        if len(self.attempts) < self._after:
            raise RetryLater("not there yet")
        self.there.set()


@contextmanager
def _consumer(
    site: Site, handle: Callable[[Message], None], **options: Any
) -> Iterator[tuple[Consumer, str, str]]:
    topic = site.topic()
    dead_letters = {"dead_letter_topic": site.topic(), "max_delivery_attempts": 5}
    path = site.subscription(topic, dead_letter_policy=dead_letters)
    consumer = Consumer(
        handle,
        Subscription(path.rpartition("/")[2], topic.rpartition("/")[2]),
        project=PROJECT.rpartition("/")[2],
        publisher=site.publisher,
        **options,
    )
    consumer.start()
    try:
        yield consumer, path, topic
    finally:
        consumer.stop(5)


@contextmanager
def _consuming(site: Site, handle: Callable[[Message], None], patience_seconds: float) -> Iterator[str]:
    with _consumer(site, handle, patience_seconds=patience_seconds) as (_, path, topic):
        site.publish(topic, b"work")
        yield path


def test_a_patient_consumer_uses_up_no_attempts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PAUSE_SECONDS", 0.05)
    dependency = Dependency(after=20)
    with _consuming(site, dependency, patience_seconds=30) as path:
        assert dependency.there.wait(10)
    assert dependency.attempts == [1] * 20
    assert site.pull(path, seconds=0.5) == []


def test_without_patience_each_try_is_an_attempt(site: Site) -> None:
    dependency = Dependency(after=3)
    with _consuming(site, dependency, patience_seconds=0):
        assert dependency.there.wait(10)
    assert dependency.attempts == [1, 2, 3]


def test_a_consumer_that_stops_gives_back_what_it_holds(site: Site) -> None:
    dependency = Dependency(after=1000)
    with _consuming(site, dependency, patience_seconds=600) as path:
        assert dependency.tried.wait(10)
    # Google's emulator gives it back when the lease has run out.
    assert [received.message.data for received in site.pull(path, seconds=30)] == [b"work"]


def test_probes_ask_pubsub_now_and_then(
    own_site: Site, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "READY_SECONDS", 3600)
    with _consumer(own_site, Dependency(after=1)) as (consumer, _, _):
        consumer.check_ready()
        own_broker.kill()
        consumer.check_ready()
        monkeypatch.setattr(runtime, "READY_SECONDS", 0)
        with pytest.raises(GoogleAPICallError):
            consumer.check_ready()


def test_every_outcome_is_counted_from_zero(site: Site) -> None:
    with _consumer(site, Dependency(after=1)) as (consumer, _, _):
        counts = {
            REGISTRY.get_sample_value(
                "tidemill_consumer_messages_total", {"subscription": consumer.name, "outcome": outcome}
            )
            for outcome in ("ack", "retry", "reject")
        }
    assert counts == {0}
