"""The command line, against a real broker and bucket watcher; the test plays the services behind them."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from typer.testing import CliRunner, Result

from tidemill_contracts import layout, topology
from tidemill_contracts.event import EventData
from tidemill_contracts.event import from_message as event_from_message
from tidemill_contracts.events import (
    EVENT_TYPES,
    DatasetIngested,
    DatasetTransformed,
    DropDeduplicated,
    DropQuarantined,
    ModelDeployed,
    Reason,
    RetrainRequested,
)
from tidemill_contracts.notification import ObjectFinalized, from_message
from tidemill_local.cli.app import app
from tidemill_local.supervisor.blueprint import Blueprint, Process
from tidemill_local.supervisor.platform import Platform
from tidemill_local.supervisor.tidemill import BOOTSTRAP, BROKER, BUCKET, PROJECT, TIDEMILL
from tidemill_runtime.telling import Cause, Teller

GATEWAY = Process(
    name="gateway",
    command=(str(Path(__file__).parent / "stand_in_gateway.py"), "{port[gateway]}"),
    ready_url="http://{host}:{port[gateway]}/readyz",
    address="http://{host}:{port[gateway]}",
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
            event = event_from_message(message.data, message.attributes, EVENT_TYPES)
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


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    blueprint = Blueprint(
        processes=(BROKER, BOOTSTRAP, BUCKET, GATEWAY), ports=TIDEMILL.ports, environment=TIDEMILL.environment
    )
    with Platform(tmp_path_factory.mktemp("home"), blueprint.on_any_ports()) as platform:
        platform.wait_ready(timeout_seconds=60)
        yield platform


@pytest.fixture
def services(platform: Platform) -> Services:
    return Services(platform.addresses["broker"])


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


def test_a_drop_is_followed_until_a_model_serves(
    platform: Platform, services: Services, tmp_path: Path
) -> None:
    def play() -> None:
        new = services.next_drop()
        services.tell(deployed(), "another-drop")
        services.tell(ingested(new))
        services.tell(deployed())

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "--spec", str(tmp_path / "pipeline.yaml"))
    playing.join()

    assert result.exit_code == 0, result.output
    stages = [line.split()[1] for line in result.stdout.splitlines() if line.strip()]
    assert stages == ["drop", "ingest", "deploy"]
    assert "span 1: 3 rows, 2 columns, 0 rejected" in result.stdout
    assert "version 1 answers requests" in result.stdout


def test_a_refused_drop_ends_with_its_reason_and_exit_code_1(
    platform: Platform, services: Services, tmp_path: Path
) -> None:
    def play() -> None:
        new = services.next_drop()
        reason = Reason(code="not-csv", message="expected CSV, received a picture")
        services.tell(
            DropQuarantined(
                pipeline="flights",
                object_name=new.name,
                generation=new.generation,
                reason=reason,
                quarantine_name=None,
                seconds=0,
            )
        )

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "--spec", str(tmp_path / "pipeline.yaml"))
    playing.join()

    assert result.exit_code == 1
    assert "quarantined: not-csv: expected CSV, received a picture" in result.stdout


def test_a_drop_has_the_generation_that_its_notification_names(
    platform: Platform, services: Services, tmp_path: Path
) -> None:
    file = a_file(tmp_path, "Größe #1?.csv")
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    result = tidemill(platform, "drop", str(file), "-p", "flights", "--no-follow")
    new = services.next_drop()

    assert result.exit_code == 0
    assert new.name == "drops/flights/Größe #1?.csv"
    with (platform.home.bucket / new.name).open("rb") as dropped:
        assert dropped.read() == file.read_bytes()


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


def test_a_drop_whose_message_was_given_up_ends_with_the_reason(
    platform: Platform, services: Services, tmp_path: Path
) -> None:
    def play() -> None:
        new = services.next_drop()
        named = {"objectId": new.name, "objectGeneration": str(new.generation)}
        write_dead_letter(platform, "tidemill-ingest", {**named, "objectGeneration": "1"})
        write_dead_letter(platform, "tidemill-ingest", named)

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "--spec", str(tmp_path / "pipeline.yaml"))
    playing.join()

    assert result.exit_code == 1
    assert result.stderr == "error: ingest gave up: invalid-spec: no label\n"


def test_a_story_ends_when_a_later_message_of_it_is_given_up(
    platform: Platform, services: Services, tmp_path: Path
) -> None:
    def play() -> None:
        services.tell(ingested(services.next_drop()), "given-up")
        # That an event could not be written down keeps nobody from working on it.
        write_dead_letter(platform, "tidemill-ledger", {"ce-correlationid": "given-up"})
        services.tell(transformed(), "given-up")
        write_dead_letter(platform, "tidemill-trainer", {"ce-correlationid": "given-up"})

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "--spec", str(tmp_path / "pipeline.yaml"))
    playing.join()

    assert result.exit_code == 1
    assert "dataset 1: 2 rows to train" in result.stdout
    assert result.stderr == "error: trainer gave up: invalid-spec: no label\n"


@pytest.fixture
def one_span(platform: Platform, tmp_path: Path) -> None:
    a_file(tmp_path)
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    entry = platform.home.bucket / layout.sequence_entry(layout.SPAN_SEQUENCE, "flights", 1)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text("span1")


def test_a_new_model_is_asked_for_and_followed_until_it_serves(
    platform: Platform, services: Services, one_span: None
) -> None:
    asked: list[RetrainRequested] = []

    def play() -> None:
        request, correlation_id = services.next_request()
        asked.append(request)
        services.tell(transformed(), correlation_id)
        services.tell(deployed(), correlation_id)

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "retrain", "flights")
    playing.join()

    assert result.exit_code == 0, result.output
    assert (asked[0].pipeline, asked[0].span) == ("flights", None)
    stages = [line.split()[1] for line in result.stdout.splitlines() if line.strip()]
    assert stages == ["retrain", "transform", "deploy"]


def test_a_request_for_a_model_that_there_is_ends_by_itself(
    platform: Platform, services: Services, one_span: None
) -> None:
    intent = platform.home.bucket / layout.training("flights", "model1")
    intent.parent.mkdir(parents=True, exist_ok=True)
    intent.write_text(json.dumps({"dataset_id": "d", "correlation_id": "an-earlier-drop"}))

    def play() -> None:
        services.tell(transformed(), services.next_request()[1])

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "retrain", "flights")
    playing.join()
    intent.unlink()

    assert result.exit_code == 0, result.output
    assert "dataset 1 was trained on before: nothing to do" in result.stdout


def test_a_span_that_there_is_not_cannot_be_retrained_on(platform: Platform, one_span: None) -> None:
    result = tidemill(platform, "retrain", "flights", "--span", "9")

    assert result.exit_code == 1
    assert "those of flights are [1], received 9" in result.stderr


def test_a_folder_is_dropped_in_the_order_of_its_numbers_past_what_is_refused(
    platform: Platform, services: Services, one_span: None, tmp_path: Path
) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    for name in ("m10.csv", "m2.csv", "m1.csv", "m3.csv", ".hidden.csv", "readme.md"):
        (folder / name).write_text(name)
    seen: list[str] = []

    def play() -> None:
        for number in range(4):
            new = services.next_drop()
            seen.append(new.name.rpartition("/")[2])
            drop = {"pipeline": "flights", "object_name": new.name, "generation": new.generation}
            reason = Reason(code="not-csv", message="why")
            answers: list[EventData] = [
                DropDeduplicated(**drop, span=1, span_id="i", seconds=0),
                ingested(new),
                DropQuarantined(**drop, reason=reason, quarantine_name=None, seconds=0),
                ingested(new),
            ]
            services.tell(answers[number], f"file-{number}")
        services.tell(deployed(), "file-1")
        services.tell(deployed(), "file-3")

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "backfill", "flights", str(folder), "--glob", "*.csv")
    playing.join()

    assert seen == ["m1.csv", "m2.csv", "m3.csv", "m10.csv"]
    assert result.exit_code == 1
    assert "4 files: 2 became spans, 1 known before, 1 refused" in result.stdout
    assert "✗ 3/4       m3.csv: quarantined: not-csv: why" in result.stdout
    assert "version 1 answers requests" in result.stdout


def test_a_folder_without_files_is_an_error(platform: Platform, one_span: None, tmp_path: Path) -> None:
    result = tidemill(platform, "backfill", "flights", str(tmp_path), "--glob", "*.parquet")

    assert result.exit_code == 1
    assert "that match '*.parquet', found none" in result.stderr


def test_a_file_for_an_unknown_pipeline_is_not_dropped(platform: Platform, tmp_path: Path) -> None:
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "-p", "nope")

    assert result.exit_code == 1
    assert "received 'nope'; add it with: tidemill apply FILE" in result.stderr
    assert not (platform.home.bucket / "drops" / "nope").exists()


def test_a_wrong_spec_is_refused_field_by_field(platform: Platform, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text("metadata: {name: wrong}\nspec: {lable: late}\n")
    result = tidemill(platform, "apply", str(spec))

    assert result.exit_code == 1
    assert "spec.label: Field required" in result.stderr
    assert "spec.lable: Extra inputs are not permitted" in result.stderr
    assert not (platform.home.bucket / "pipelines" / "wrong.yaml").exists()


def test_a_question_has_the_types_that_the_model_takes(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("carrier,hour,delay\nUA,5,0\nNA,7.5,3\n")
    result = tidemill(platform, "predict", "flights", "--from", str(file), "--row", "2", "hour=8")

    assert result.exit_code == 0, result.output
    question, answer, version = result.stdout.strip().splitlines()
    assert question.strip().startswith("$ curl -d '")
    assert json.loads(answer) == {"predictions": [{"carrier": "", "hour": 8}]}
    assert "version 3 answered" in version


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flights", "hour=late"], "expected a number for hour, received 'late'"),
        (["flights", "hour"], "expected key=value, received 'hour'"),
        (["flights", "--json", "["], "expected an instance as JSON, received '['"),
        (["nope"], "expected a served model (flights), received 'nope'"),
    ],
    ids=["type", "pair", "json", "model"],
)
def test_a_wrong_question_is_an_error_in_one_line(
    platform: Platform, arguments: list[str], message: str
) -> None:
    result = tidemill(platform, "predict", *arguments)

    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_status_names_every_process_and_the_version_served(platform: Platform, tmp_path: Path) -> None:
    a_file(tmp_path)
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    result = tidemill(platform, "status")

    assert result.exit_code == 0, result.output
    for name in ("broker", "bootstrap", "bucket", "gateway"):
        assert name in result.stdout
    assert platform.addresses["gateway"] in result.stdout
    assert "tidemill predict flights" in result.stdout


def test_status_fails_while_a_process_is_down(platform: Platform) -> None:
    platform.kill("gateway")
    result = tidemill(platform, "status")
    platform.wait_ready(timeout_seconds=20)

    assert result.exit_code == 1
    assert "gateway" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status"], ["events"], ["predict", "m"], ["down"], ["apply", __file__]),
        *(["drop", __file__, "-p", "p"], ["retrain", "p"], ["backfill", "p", str(Path(__file__).parent)]),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_a_platform_a_command_says_how_to_start_one(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])

    assert result.exit_code == 1
    assert f"start one with: tidemill up --home {tmp_path}" in result.stderr


def test_help_comes_without_heavy_imports() -> None:
    heavy = {"google.cloud.pubsub_v1", "duckdb", "tensorflow", "pyarrow"}
    program = f"import tidemill_local.cli.app, sys; print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert loaded.stdout.strip() == "[]"
