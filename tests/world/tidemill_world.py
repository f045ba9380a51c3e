"""A running Tidemill as tests see it: files go in, events and answers come out."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError

import grpc
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tidemill_contracts import layout, topology
from tidemill_contracts.event import Event, EventData
from tidemill_local.supervisor.platform import Platform
from tidemill_local.supervisor.tidemill import PROJECT, TIDEMILL
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.telling import Cause, Teller, read_event

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
START_SECONDS = 90
FLOW_SECONDS = 120
RECORD_BATCH_SECONDS = 2
T = TypeVar("T")
SPEC = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  label: arr_delay >= 15
  leaveOut: [dep_time, dep_delay, arr_time, air_time, time_hour]
  training: {{families: {families}}}
  blessing: {{minMetrics: {{roc_auc: 0.5}}, maxRegression: 1}}
"""


def flights(first: int, rows: int, month: int = 1) -> bytes:
    """Some rows of real flights, with the header."""
    lines = (FLIGHTS / f"flights-2013-{month:02d}.csv").read_bytes().splitlines(keepends=True)
    return b"".join([lines[0], *lines[1 + first : 1 + first + rows]])


@dataclass
class Answer:
    """A reply of the gateway."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class World:
    """One platform, and everything it said since it started."""

    home: Path
    platform: Platform
    store: FolderStore
    publisher: PublisherClient
    events: list[Event] = field(default_factory=list)

    def apply(self, name: str, families: str = "[boosted-trees]") -> None:
        self.store.write(layout.pipeline_spec(name), SPEC.format(name=name, families=families).encode())

    def drop(self, pipeline: str, content: bytes, name: str = "flights.csv") -> None:
        self.store.write(layout.drop(pipeline, name), content)

    def publish(self, topic: str, data: bytes, **attributes: str) -> None:
        self.publisher.publish(self.publisher.topic_path(PROJECT, topic), data, **attributes).result(
            timeout=30
        )

    def tell(self, data: EventData) -> None:
        """Publish an event, as someone outside would."""
        Teller(self.publisher, project=PROJECT, service="test").tell(data, Cause(uuid.uuid4().hex))

    def await_event(
        self, matches: Callable[[EventData], bool], timeout_seconds: float = FLOW_SECONDS
    ) -> Event:
        """Return the first event whose data matches, waiting for it."""
        return self.wait_for(
            lambda: next((event for event in list(self.events) if matches(event.data)), None), timeout_seconds
        )

    def wait_for(self, look: Callable[[], T | None], timeout_seconds: float = FLOW_SECONDS) -> T:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if (found := look()) is not None:
                return found
            time.sleep(0.05)
        seen = "\n".join(f"{event.type} {event.data}" for event in self.events[-12:])
        raise TimeoutError(f"not seen in {timeout_seconds} s; the last events were:\n{seen}")

    def ask(self, method: str, path: str, body: bytes | None = None, *, of: str = "gateway") -> Answer:
        """Send one request to a process, the gateway if none is named."""
        request = urllib.request.Request(  # noqa: S310 - the platform's own address
            self.platform.addresses[of] + path, data=body, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                return Answer(reply.status, dict(reply.headers), reply.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def predict(self, model: str, *instances: dict[str, Any]) -> Answer:
        body = json.dumps({"instances": instances}).encode()
        return self.ask("POST", f"/v1/models/{model}:predict", body)


@contextmanager
def running_world(home: Path, **environment: str) -> Iterator[World]:
    """Start a platform on free ports, listen to all its events, and stop it at the end."""
    batches = {"TIDEMILL_RECORD_BATCH_SECONDS": str(RECORD_BATCH_SECONDS)}
    settings = {**TIDEMILL.environment, **batches, **environment}
    with Platform(home, replace(TIDEMILL.on_any_ports(), environment=settings)) as platform:
        platform.wait_ready(timeout_seconds=START_SECONDS)
        channel = grpc.insecure_channel(platform.addresses["broker"])
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        world = World(home, platform, FolderStore(home.resolve() / "bucket" / "tidemill"), publisher)
        path = subscriber.subscription_path(PROJECT, f"test-{uuid.uuid4().hex}")
        topic = subscriber.topic_path(PROJECT, topology.EVENTS_TOPIC)
        subscriber.create_subscription(name=path, topic=topic)

        def hear(message: Message) -> None:
            world.events.append(read_event(message))
            message.ack()

        stream = subscriber.subscribe(path, hear)
        try:
            yield world
        finally:
            stream.cancel()
            stream.result(timeout=10)
            channel.close()
