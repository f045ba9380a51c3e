"""The command line, against a real broker and bucket watcher; the test plays the services behind them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from typer.testing import CliRunner, Result

from tidemill_contracts import topology
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested, DropQuarantined, ModelDeployed, Reason
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
SPEC = "metadata: {name: flights}\nspec: {label: late}\n"


class Services:
    """Hears of drops as ingest would, and tells events as all services would."""

    def __init__(self, broker: str) -> None:
        channel = grpc.insecure_channel(broker)
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._teller = Teller(publisher, project=PROJECT, service="test")
        self._path = self._subscriber.subscription_path(PROJECT, topology.INGEST.name)

    def next_drop(self) -> ObjectFinalized:
        reply = self._subscriber.pull(subscription=self._path, max_messages=1, timeout=15)
        (received,) = reply.received_messages
        self._subscriber.acknowledge(subscription=self._path, ack_ids=[received.ack_id], timeout=5)
        return from_message(received.message.data, received.message.attributes)

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
    [["status"], ["events"], ["predict", "m"], ["down"], ["apply", __file__], ["drop", __file__, "-p", "p"]],
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
