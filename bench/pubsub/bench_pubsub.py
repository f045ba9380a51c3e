"""The embedded broker beside Google's emulator: the same client, the same load, in one run.

    PYTHONPATH=local/src python bench/pubsub/bench_pubsub.py

Latency is from just before `publish` to the handler, at a low rate. Throughput is from the first publish to
the last handler, publisher and subscriber in this process with client defaults. The emulator keeps
everything in memory; the broker has every message on disk before it answers, and is killed at the end to
show how long a backlog takes to come back.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "contract" / "pubsub"))

from pubsub_targets import Broker, find_emulator, running_broker, running_emulator

RATE_PER_SECOND = 100
LATENCY_MESSAGES = 600
WARM_UP_MESSAGES = 500
THROUGHPUT_MESSAGES = 20_000
ROUNDS = 2
PAYLOAD = b"x" * 1024
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Figures:
    """What one server did; throughput is the better of the rounds."""

    latency_p50_ms: float
    latency_p99_ms: float
    publish_per_second: float
    messages_per_second: float


@dataclass(frozen=True)
class Pipe:
    """A fresh topic with one subscription; the emulator still serves the last stream of a used one."""

    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient
    topic: str
    subscription: str

    @contextmanager
    def handled_by(self, handler: Callable[[Message], None]) -> Iterator[None]:
        pull = self.subscriber.subscribe(self.subscription, handler)
        try:
            yield
        finally:
            pull.cancel()
            pull.result(DEADLINE_SECONDS)


def open_pipe(address: str, name: str) -> Pipe:
    os.environ["PUBSUB_EMULATOR_HOST"] = address
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    pipe = Pipe(
        publisher, subscriber, f"projects/bench/topics/{name}", f"projects/bench/subscriptions/{name}"
    )
    publisher.create_topic(name=pipe.topic, timeout=DEADLINE_SECONDS)
    subscriber.create_subscription(name=pipe.subscription, topic=pipe.topic, timeout=DEADLINE_SECONDS)
    return pipe


def measure_latencies(pipe: Pipe, count: int) -> list[float]:
    """Milliseconds from publish to handler, one message at a time at a steady rate."""
    latencies_ms: list[float] = []
    done = threading.Event()
    warm_up = RATE_PER_SECOND // 2

    def handle(message: Message) -> None:
        latencies_ms.append((time.perf_counter() - float(message.attributes["sent"])) * 1e3)
        message.ack()
        if len(latencies_ms) == count + warm_up:
            done.set()

    immediate = pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=1))
    with pipe.handled_by(handle):
        time.sleep(0.5)
        next_at = time.perf_counter()
        for _ in range(count + warm_up):
            time.sleep(max(0.0, next_at - time.perf_counter()))
            next_at += 1 / RATE_PER_SECOND
            immediate.publish(pipe.topic, PAYLOAD, sent=repr(time.perf_counter()))
        assert done.wait(DEADLINE_SECONDS), f"{len(latencies_ms)} of {count} messages arrived"
    return sorted(latencies_ms[warm_up:])


def measure_throughput(pipe: Pipe, count: int) -> tuple[float, float]:
    """Messages per second until all are published, and until all are handled."""
    seen: set[str] = set()
    done = threading.Event()

    def handle(message: Message) -> None:
        seen.add(message.message_id)
        message.ack()
        if len(seen) == count:
            done.set()

    with pipe.handled_by(handle):
        time.sleep(0.5)
        started = time.perf_counter()
        futures = [pipe.publisher.publish(pipe.topic, PAYLOAD) for _ in range(count)]
        for future in futures:
            future.result(DEADLINE_SECONDS)
        published = time.perf_counter() - started
        assert done.wait(DEADLINE_SECONDS), f"{len(seen)} of {count} messages arrived"
        return count / published, count / (time.perf_counter() - started)


def measure(address: str) -> Figures:
    measure_throughput(open_pipe(address, "warm-up"), WARM_UP_MESSAGES)
    latencies_ms = measure_latencies(open_pipe(address, "latency"), LATENCY_MESSAGES)
    rounds = [measure_throughput(open_pipe(address, f"load-{n}"), THROUGHPUT_MESSAGES) for n in range(ROUNDS)]
    return Figures(
        latency_p50_ms=statistics.median(latencies_ms),
        latency_p99_ms=latencies_ms[int(len(latencies_ms) * 0.99)],
        publish_per_second=max(published for published, _ in rounds),
        messages_per_second=max(handled for _, handled in rounds),
    )


def measure_restart(broker: Broker) -> float:
    """Seconds from `kill -9` under a backlog to the first of its messages, the restart included."""
    pipe = open_pipe(broker.address, "backlog")
    futures = [pipe.publisher.publish(pipe.topic, PAYLOAD) for _ in range(THROUGHPUT_MESSAGES)]
    for future in futures:
        future.result(DEADLINE_SECONDS)
    started = time.perf_counter()
    broker.kill()
    broker.start()
    subscriber = pubsub_v1.SubscriberClient()
    assert subscriber.pull(
        subscription=pipe.subscription, max_messages=1, timeout=DEADLINE_SECONDS
    ).received_messages
    return time.perf_counter() - started


def report(ours: Figures, google: Figures | None) -> None:
    print(f"{'':28}{'tidemill':>12}{'google':>12}{'ratio':>9}")
    rows = (
        ("latency p50, ms", ours.latency_p50_ms, google and google.latency_p50_ms),
        ("latency p99, ms", ours.latency_p99_ms, google and google.latency_p99_ms),
        ("published, messages/s", ours.publish_per_second, google and google.publish_per_second),
        ("published+handled, messages/s", ours.messages_per_second, google and google.messages_per_second),
    )
    for label, mine, theirs in rows:
        peer = f"{theirs:12,.1f}{mine / theirs:9.2f}" if theirs else f"{'absent':>12}{'':9}"
        print(f"{label:28}{mine:12,.1f}{peer}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder, "broker.db")) as broker:
        ours = measure(broker.address)
        restart_seconds = measure_restart(broker)
    google = None
    jar = find_emulator()
    if jar is not None:
        with running_emulator(jar) as address:
            google = measure(address)
    report(ours, google)
    print(f"tidemill: killed with {THROUGHPUT_MESSAGES:,} unacked messages, back in {restart_seconds:.2f} s")
    print(
        "google: keeps messages in memory only; a restart loses them"
        if google
        else "google: emulator not installed"
    )


if __name__ == "__main__":
    main()
