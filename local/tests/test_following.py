"""Stories of drops and requests, followed until they end: the test plays the services."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from cli_world import Services, a_file, deployed, ingested, tidemill, transformed, write_dead_letter

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    DatasetRejected,
    DropDeduplicated,
    DropQuarantined,
    Reason,
    RetrainRequested,
)
from tidemill_local.supervisor.platform import Platform


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


@pytest.mark.parametrize("exit_code", [0, 1], ids=["known", "refused"])
def test_a_file_that_made_no_model_can_be_trained_on_by_another_spec(
    platform: Platform, services: Services, tmp_path: Path, exit_code: int
) -> None:
    def play() -> None:
        new = services.next_drop()
        drop = {"pipeline": "flights", "object_name": new.name, "generation": new.generation}
        if exit_code == 0:
            services.tell(DropDeduplicated(**drop, span=1, span_id="i", seconds=0))
            return
        reason = Reason(code="label-invalid", message="expected SQL, received late?")
        services.tell(ingested(new))
        services.tell(
            DatasetRejected(pipeline="flights", spec_digest="s", span=1, reasons=(reason,), seconds=0)
        )

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "drop", str(a_file(tmp_path)), "--spec", str(tmp_path / "pipeline.yaml"))
    playing.join()

    assert result.exit_code == exit_code, result.output
    assert "tidemill apply SPEC && tidemill retrain flights" in result.stdout


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
    assert "dataset 1 was trained on before: its verdict stands" in result.stdout


def test_a_request_for_what_newer_data_had_superseded_is_followed(
    platform: Platform, services: Services, one_span: None
) -> None:
    intent = platform.home.bucket / layout.training("flights", "model1")
    superseded = intent.with_suffix("") / "superseded.json"
    superseded.parent.mkdir(parents=True, exist_ok=True)
    intent.write_text(json.dumps({"dataset_id": "d", "correlation_id": "an-earlier-drop"}))
    superseded.write_text("{}")

    def play() -> None:
        correlation_id = services.next_request()[1]
        asked = {"dataset_id": "d", "correlation_id": correlation_id}
        superseded.with_name("requested.json").write_text(json.dumps(asked))
        services.tell(transformed(), correlation_id)
        services.tell(deployed(), correlation_id)

    playing = threading.Thread(target=play)
    playing.start()
    result = tidemill(platform, "retrain", "flights")
    playing.join()
    intent.unlink()
    shutil.rmtree(superseded.parent)

    assert result.exit_code == 0, result.output
    assert "version 1 answers requests" in result.stdout


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


def test_a_folder_for_an_unknown_pipeline_is_refused_once(platform: Platform, tmp_path: Path) -> None:
    for name in ("january.csv", "february.csv"):
        a_file(tmp_path, name)
    result = tidemill(platform, "backfill", "nope", str(tmp_path), "--glob", "*.csv")

    assert result.exit_code == 1
    assert result.stderr.count("received 'nope'") == 1
    assert not result.stdout


def test_a_folder_without_files_is_an_error(platform: Platform, one_span: None, tmp_path: Path) -> None:
    result = tidemill(platform, "backfill", "flights", str(tmp_path), "--glob", "*.parquet")

    assert result.exit_code == 1
    assert "that match '*.parquet', found none" in result.stderr
