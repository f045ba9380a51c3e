"""Rules of `tidemill-stream` as a process: whatever happens to it, a message is landed or still to come."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeVar

import grpc
import pyarrow.parquet as pq
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from pubsub_targets import running_broker

from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested
from tidemill_local.supervisor.tidemill import PROJECT
from tidemill_runtime.folder import FolderStore
from tidemill_world import World, flights

PATIENCE_SECONDS = 60
WINDOW_SECONDS = 4
T = TypeVar("T")


@dataclass
class Sender:
    """A topic with one subscription, and what was published to it."""

    address: str
    subscription: str
    publisher: PublisherClient
    topic: str
    sent: list[int] = field(default_factory=list)

    def send(self, *rows: bytes) -> None:
        for row in rows:
            self.publisher.publish(self.topic, row).result(timeout=10)

    def send_numbers(self, *numbers: int) -> None:
        self.send(*(json.dumps({"number": number}).encode() for number in numbers))
        self.sent += numbers


@contextmanager
def opened_sender(address: str) -> Iterator[Sender]:
    with grpc.insecure_channel(address) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        name = f"records-{uuid.uuid4().hex[:8]}"
        topic = publisher.topic_path(PROJECT, name)
        publisher.create_topic(name=topic)
        path = subscriber.subscription_path(PROJECT, name)
        subscriber.create_subscription(name=path, topic=topic, ack_deadline_seconds=10)
        yield Sender(address, name, publisher, topic)


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with running_broker(tmp_path / "broker.db") as broker, opened_sender(broker.address) as sender:
        yield sender


@contextmanager
def running_stream(
    sender: Sender,
    bucket: Path,
    *,
    pipeline: str = "numbers",
    window_seconds: int = WINDOW_SECONDS,
    code: int = 0,
) -> Iterator[subprocess.Popen[str]]:
    """Run the stream until the block ends; it must then have ended with a code, or end when asked to."""
    environment = {
        "PUBSUB_EMULATOR_HOST": sender.address,
        "TIDEMILL_PROJECT": PROJECT,
        "TIDEMILL_BUCKET_URL": bucket.as_uri(),
        "TIDEMILL_PIPELINE": pipeline,
        "TIDEMILL_SUBSCRIPTION": sender.subscription,
        "TIDEMILL_WINDOW_SECONDS": str(window_seconds),
        "TIDEMILL_OUT_OF_ORDER_SECONDS": "1",
        "TIDEMILL_METRICS_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill_transform.streaming"],
        env={"PATH": os.environ["PATH"], **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode in (code, -signal.SIGKILL), said
    finally:
        process.kill()
        process.wait()


def numbers_in(bucket: Path) -> list[int]:
    """Every number that was landed, in order."""
    store = FolderStore(bucket)
    drops = [store.uri(name) for name in store.list("drops/numbers/")]
    return sorted(number for drop in drops for number in pq.read_table(drop)["number"].to_pylist())


def await_(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"not seen in {PATIENCE_SECONDS} s")


def test_messages_become_drops_and_are_acknowledged(sender: Sender, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    with running_stream(sender, bucket):
        sender.send_numbers(*range(50))
        await_(lambda: numbers_in(bucket) == list(range(50)))
        sender.send(b"no json")
        sender.send_numbers(50)
        await_(lambda: 50 in numbers_in(bucket))
    with running_stream(sender, bucket):
        sender.send_numbers(51)
        await_(lambda: 51 in numbers_in(bucket))

    store = FolderStore(bucket)
    reports = [json.loads(store.read(name)) for name in store.list("streams/") if name.endswith(".json")]
    assert numbers_in(bucket) == list(range(52))
    assert sum(report["rejected"] for report in reports) == 1
    assert sum(report["records"] for report in reports) == 53


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_stream_that_ends_within_a_window_loses_nothing(
    sender: Sender, tmp_path: Path, end: signal.Signals
) -> None:
    bucket = tmp_path / "bucket"
    with running_stream(sender, bucket, window_seconds=3600) as process:
        sender.send_numbers(*range(20))
        time.sleep(8)
        process.send_signal(end)
        process.wait(PATIENCE_SECONDS)
    assert not FolderStore(bucket).list("drops/")

    with running_stream(sender, bucket):
        await_(lambda: numbers_in(bucket) == sender.sent)


def test_a_stream_that_cannot_land_ends_and_loses_nothing(sender: Sender, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    (bucket / "drops").touch()
    with running_stream(sender, bucket, code=1) as process:
        sender.send_numbers(*range(20))
        process.wait(PATIENCE_SECONDS)
    (bucket / "drops").unlink()

    with running_stream(sender, bucket):
        await_(lambda: numbers_in(bucket) == sender.sent)


def test_a_landed_window_is_ingested_like_any_drop(world: World) -> None:
    rows = csv.DictReader(StringIO(flights(0, 300).decode()))
    world.apply("streamed")
    with opened_sender(world.platform.addresses["broker"]) as sender:
        bucket = Path(world.store.uri("specs")).parent
        with running_stream(sender, bucket, pipeline="streamed"):
            sender.send(*(json.dumps(row).encode() for row in rows))

            def of_the_stream(data: EventData) -> bool:
                return isinstance(data, DatasetIngested) and data.pipeline == "streamed"

            ingested = world.await_event(of_the_stream).data

    assert isinstance(ingested, DatasetIngested)
    assert ingested.object_name.startswith("drops/streamed/stream-")
    assert ingested.rows > 0
