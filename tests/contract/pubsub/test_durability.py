"""What survives: every acknowledged publish and every confirmed ack, whenever the broker is killed."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from pubsub_site import CALL_SECONDS, STREAM_SECONDS, Site
from pubsub_stream import Requests
from pubsub_targets import Broker

KILLS = 6
PUBLISHERS = 3
BETWEEN_KILLS = 30
CUT_OFF = (
    exceptions.Cancelled,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.RetryError,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)
"""What a call may end with when the broker is killed under it: then nothing was promised."""

RETRY = Retry(predicate=if_exception_type(*CUT_OFF), initial=0.1, maximum=0.5, timeout=CALL_SECONDS)
"""As the client's own, but for its pauses, which grow to a minute."""


@dataclass
class Ledger:
    """What the clients of a broker under fire were told."""

    published: list[str] = field(default_factory=list)
    acked: set[str] = field(default_factory=set)
    acked_twice: set[str] = field(default_factory=set)
    published_all: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def publish(self, site: Site, topic: str) -> None:
        while not self.stop.is_set():
            with suppress(*CUT_OFF, TimeoutError):
                self.published.append(
                    site.publisher.publish(topic, b"x" * 200, retry=RETRY).result(CALL_SECONDS)
                )

    def consume(self, site: Site, subscription: str) -> None:
        """An ack that returned is confirmed: its message must not be in any later pull."""
        while not (self.published_all.is_set() and self.acked.issuperset(self.published)):
            with suppress(*CUT_OFF):
                received = site.pull(subscription, 100, seconds=0.1)
                ids = {each.message.message_id for each in received}
                self.acked_twice |= ids & self.acked
                site.ack(subscription, received)
                self.acked |= ids


def test_kills_lose_no_acknowledged_publish_and_repeat_no_confirmed_ack(
    own_broker: Broker, own_site: Site
) -> None:
    dice = random.Random(20_260_301)
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    ledger = Ledger()
    consumer = threading.Thread(target=ledger.consume, args=(own_site, subscription))
    publishers = [threading.Thread(target=ledger.publish, args=(own_site, topic)) for _ in range(PUBLISHERS)]
    for thread in (consumer, *publishers):
        thread.start()

    for kill in range(1, KILLS + 1):
        await_true(lambda: len(ledger.published) >= kill * BETWEEN_KILLS)  # noqa: B023 - used at once
        time.sleep(dice.uniform(0, 0.3))
        own_broker.kill()
        own_broker.start()
    ledger.stop.set()
    for thread in publishers:
        thread.join(CALL_SECONDS)
    ledger.published_all.set()
    consumer.join(CALL_SECONDS)

    assert len(ledger.published) >= KILLS * BETWEEN_KILLS
    assert len(set(ledger.published)) == len(ledger.published)
    assert set(ledger.published) <= ledger.acked
    assert ledger.acked_twice == set()
    settled = own_site.pull(subscription, 100, seconds=0.5)
    assert not {each.message.message_id for each in settled} & ledger.acked


def test_a_restart_brings_back_what_was_not_acked_and_nothing_else(
    own_broker: Broker, own_site: Site
) -> None:
    topic = own_site.topic(labels={"a": "b"})
    first, second = own_site.subscription(topic), own_site.subscription(topic, filter='attributes.kind = "b"')
    own_site.publish(topic, b"1", kind="a")
    own_site.publish(topic, b"2", kind="b")
    own_site.ack(first, [each for each in own_site.pull(first, 2) if each.message.data == b"1"])

    own_broker.kill()
    own_broker.start()

    assert dict(own_site.raw_publisher.get_topic(topic=topic).labels) == {"a": "b"}
    assert own_site.bodies(first, 2, seconds=0.5) == [b"2"]
    assert own_site.bodies(second, 2, seconds=0.5) == [b"2"]


def test_an_ack_id_from_before_a_restart_still_counts(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    own_site.publish(topic, b"x")
    received = own_site.pull(subscription)

    own_broker.kill()
    own_broker.start()
    own_site.ack(subscription, received)

    assert own_site.pull(subscription, seconds=0.5) == []


def test_delivery_attempts_survive_a_restart(own_broker: Broker, own_site: Site) -> None:
    topic, graveyard = own_site.topic(), own_site.topic()
    subscription = own_site.subscription(topic, dead_letter_policy={"dead_letter_topic": graveyard})
    letters = own_site.subscription(graveyard)
    own_site.publish(topic, b"poison")

    attempts = []
    for _ in range(5):
        (received,) = own_site.pull(subscription)
        attempts.append(received.delivery_attempt)
        own_site.nack(subscription, [received])
        own_broker.kill()
        own_broker.start()

    assert attempts == [1, 2, 3, 4, 5]
    assert own_site.bodies(letters) == [b"poison"]
    assert own_site.pull(subscription, seconds=0.3) == []


@pytest.mark.parametrize("how", [Broker.kill, Broker.terminate])
def test_a_restart_of_the_broker_is_not_held_against_a_message(
    own_broker: Broker, own_site: Site, how: Callable[[Broker], object]
) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic, dead_letter_policy={"dead_letter_topic": own_site.topic()})
    own_site.publish(topic, b"x")
    requests = Requests(subscription, client_id="me")
    responses = own_site.subscriber.streaming_pull(requests=iter(requests), timeout=STREAM_SECONDS)
    assert next(responses).received_messages[0].delivery_attempt == 1

    how(own_broker)
    with pytest.raises(exceptions.ServiceUnavailable):
        next(responses)
    requests.close()
    own_broker.start()

    assert own_site.pull(subscription)[0].delivery_attempt == 1


def test_a_pull_that_waits_is_told_when_the_broker_stops(own_broker: Broker, own_site: Site) -> None:
    subscription = own_site.subscription(own_site.topic())
    with ThreadPoolExecutor(1) as pool:
        pull = pool.submit(
            own_site.subscriber.pull,
            subscription=subscription,
            max_messages=1,
            timeout=CALL_SECONDS,
            retry=None,
        )
        time.sleep(0.3)

        assert own_broker.terminate() == 0

        assert isinstance(pull.exception(STREAM_SECONDS), exceptions.ServiceUnavailable)


def test_exactly_once_keeps_leases_over_a_restart(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic, enable_exactly_once_delivery=True)
    own_site.publish(topic, b"x")
    received = own_site.pull(subscription)

    own_broker.kill()
    own_broker.start()

    assert own_site.pull(subscription, seconds=0.5) == []
    own_site.ack(subscription, received)
    with pytest.raises(exceptions.FailedPrecondition):
        own_site.ack(subscription, received)


def test_seeks_and_snapshots_survive_a_restart(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    own_site.publish(topic, b"x")
    snapshot = "projects/contract/snapshots/kept"
    own_site.subscriber.create_snapshot(name=snapshot, subscription=subscription)
    own_site.bodies(subscription)

    own_broker.kill()
    own_broker.start()
    own_site.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})
    own_broker.kill()
    own_broker.start()

    assert own_site.bodies(subscription) == [b"x"]


def test_a_listening_client_reconnects_by_itself(own_broker: Broker, own_site: Site) -> None:
    """It takes up to 10 s: the client allows itself five attempts in that time, and spends them at once."""
    topic = own_site.topic()
    subscription = own_site.subscription(topic)

    with own_site.listener(subscription) as listener:
        own_site.publish(topic, b"before")
        assert listener.next().data == b"before"
        await_true(lambda: own_broker.metrics()["tidemill_broker_messages_acknowledged_total"] == 1)
        assert own_broker.terminate() == 0
        own_broker.start()
        own_site.publish(topic, b"after")
        assert listener.next(20).data == b"after"


def test_one_file_has_one_broker(own_broker: Broker) -> None:
    second = Broker(own_broker.data)

    code, error = second.fail_to_start()

    assert code == 1
    assert "another broker is using it" in error


def test_a_port_in_use_is_refused(own_broker: Broker, tmp_path: Path) -> None:
    second = Broker(tmp_path / "other.db", port=own_broker.port)

    code, error = second.fail_to_start()

    assert code == 1
    assert f"cannot listen on 127.0.0.1:{own_broker.port}" in error


def test_a_full_disk_fails_publishes_and_loses_nothing(own_broker: Broker, own_site: Site) -> None:
    topic = own_site.topic()
    subscription = own_site.subscription(topic)
    own_site.publish(topic, b"safe")
    own_broker.kill()
    own_broker.start(max_file_kilobytes=200)

    await_true(lambda: own_broker.health("/readyz") == 200)
    with pytest.raises(exceptions.ServiceUnavailable, match="nothing was recorded"):
        own_site.publish_raw(topic, {"data": b"x" * 500_000})
    assert own_broker.health("/readyz") == 503
    assert own_broker.health("/livez") == 200
    own_broker.kill()
    own_broker.start()

    assert own_site.bodies(subscription, 2, seconds=0.5) == [b"safe"]


def await_true(condition: Any, seconds: float = 30.0) -> None:
    """Wait for a condition, and say so if it never comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true within {seconds} s"
        time.sleep(0.01)
