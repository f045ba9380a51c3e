"""The command line as people call it, and a stand-in for all services behind a real broker and bucket."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from typer.testing import CliRunner, Result

from tidemill_contracts import topology
from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    DatasetIngested,
    DatasetTransformed,
    ModelDeployed,
    RetrainRequested,
)
from tidemill_contracts.notification import ObjectFinalized, from_message
from tidemill_local.cli.app import app
from tidemill_local.supervisor.blueprint import Blueprint, Process
from tidemill_local.supervisor.platform import Platform
from tidemill_local.supervisor.tidemill import BOOTSTRAP, BROKER, BUCKET, PROJECT, TIDEMILL
from tidemill_runtime.telling import Cause, Teller, read_event

GATEWAY = Process(
    name="gateway",
    command=(str(Path(__file__).parent / "stand_in_gateway.py"), "{port[gateway]}"),
    ready_url="http://{host}:{port[gateway]}/readyz",
    address="http://{host}:{port[gateway]}",
    grpc_address="{host}:{port[gateway_grpc]}",
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = "metadata: {name: flights}\nspec: {label: late}\n"


class Services:
    """Hears of drops as ingest would, and tells events as all services would."""

    def __init__(self, broker: str) -> None:
        channel = grpc.insecure_channel(broker)
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._teller = Teller(publisher, project=PROJECT, service="test")

    def next_drop(self) -> ObjectFinalized:
        message = self._next(topology.INGEST)
        return from_message(message.data, message.attributes)

    def next_request(self) -> tuple[RetrainRequested, str]:
        """The next request for a new model, and its correlation id; what other tests told is passed over."""
        while True:
            message = self._next(topology.TRANSFORM)
            event = read_event(message)
            if isinstance(event.data, RetrainRequested):
                return event.data, event.correlation_id

    def _next(self, subscription: topology.Subscription) -> Any:
        path = self._subscriber.subscription_path(PROJECT, subscription.name)
        reply = self._subscriber.pull(subscription=path, max_messages=1, timeout=15)
        (received,) = reply.received_messages
        self._subscriber.acknowledge(subscription=path, ack_ids=[received.ack_id], timeout=5)
        return received.message

    def tell(self, data: EventData, correlation_id: str = "one-drop") -> None:
        self._teller.tell(data, Cause(correlation_id))


@contextmanager
def running_platform(home: Path) -> Iterator[Platform]:
    blueprint = Blueprint(
        processes=(BROKER, BOOTSTRAP, BUCKET, GATEWAY), ports=TIDEMILL.ports, environment=TIDEMILL.environment
    )
    with Platform(home, blueprint.on_any_ports()) as platform:
        platform.wait_ready(timeout_seconds=60)
        yield platform


def tidemill(platform: Platform, *arguments: str) -> Result:
    environment = {"TIDEMILL_HOME": str(platform.home.path), "COLUMNS": "200"}
    return CliRunner().invoke(app, arguments, env=environment)


def ingested(new: ObjectFinalized) -> DatasetIngested:
    return DatasetIngested(
        pipeline="flights",
        spec_digest="s",
        span=1,
        span_id="i",
        object_name=new.name,
        generation=new.generation,
        rows=3,
        rows_rejected=0,
        columns=2,
        seconds=0.1,
    )


def deployed() -> ModelDeployed:
    return ModelDeployed(
        pipeline="flights", version=1, model_id="m", label="stable", replaces=None, seconds=0.1
    )


def a_file(folder: Path, name: str = "january.csv") -> Path:
    (folder / "pipeline.yaml").write_text(SPEC)
    file = folder / name
    file.write_text("late,hour\n1,2\n")
    return file


def transformed() -> DatasetTransformed:
    return DatasetTransformed(
        pipeline="flights",
        spec_digest="s",
        dataset=1,
        dataset_id="d",
        spans=(1,),
        rows_in=3,
        rows_train=2,
        rows_eval=1,
        rows_unlabelled=0,
        seconds=0.1,
    )


def write_dead_letter(platform: Platform, subscription: str, attributes: dict[str, str]) -> None:
    """Write a dead letter down as the ledger does."""
    row = {"time": NOON, "subscription": subscription, "code": "invalid-spec", "reason": "no label"}
    rows = pa.Table.from_pylist([{**row, "attributes": json.dumps(attributes)}])
    file = platform.home.bucket / "warehouse" / "dead_letters" / f"{uuid.uuid4()}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)
