"""The command line, against a real broker and bucket watcher and a stand-in for the gateway."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import SPEC, a_file, tidemill
from typer.testing import CliRunner

from tidemill_contracts.pipeline import parse_pipeline
from tidemill_local.cli.app import app
from tidemill_local.supervisor.platform import Platform


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


def test_a_spec_that_cannot_be_stored_is_an_error_that_says_where(platform: Platform, tmp_path: Path) -> None:
    (platform.home.bucket / "pipelines" / "blocked.yaml").mkdir(parents=True)
    (tmp_path / "spec.yaml").write_text(SPEC.replace("flights", "blocked"))
    result = tidemill(platform, "apply", str(tmp_path / "spec.yaml"))

    assert result.exit_code == 1
    assert f"could not write {tmp_path / 'spec.yaml'} into {platform.home.bucket}" in result.stderr


def test_what_is_stored_is_the_spec_that_was_checked(platform: Platform) -> None:
    text = SPEC.replace("flights", "piped")
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(text)
    result = tidemill(platform, "apply", f"/dev/fd/{reading}")
    os.close(reading)

    assert result.exit_code == 0, result.output
    assert (platform.home.bucket / "pipelines" / "piped.yaml").read_text() == text


def test_a_question_has_the_types_that_the_model_takes(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("carrier,hour,delay\nUA,5,0\nNA,7.5,3\n")
    result = tidemill(platform, "predict", "flights", "--from", str(file), "--row", "2", "hour=8")

    assert result.exit_code == 0, result.output
    question, answer, version = result.stdout.strip().splitlines()
    assert question.strip().startswith("$ curl -d '")
    assert json.loads(answer) == {"predictions": [{"carrier": "", "hour": 8}]}
    assert "version 3 answered" in version


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_a_row_of_any_language_and_delimiter_reaches_the_model(
    platform: Platform, tmp_path: Path, delimiter: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"carrier{delimiter} hour \n東京{delimiter}8\n", encoding="utf-8")
    result = tidemill(platform, "predict", "flights", "--from", str(file))

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-2]) == {"predictions": [{"carrier": "東京", "hour": 8}]}


def test_a_file_of_something_else_is_no_row_of_missing_values(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("colour\nred\n")
    result = tidemill(platform, "predict", "flights", "--from", str(file))

    assert result.exit_code == 1
    assert f"expected columns of ['carrier', 'hour'] in {file}, received ['colour']" in result.stderr


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


def test_a_key_that_the_gateway_refuses_is_told_with_what_is_expected(platform: Platform) -> None:
    result = tidemill(platform, "predict", "flights", "hour=8", "--key", "revoked")

    assert result.exit_code == 1
    assert "expected an API key in TIDEMILL_API_KEY" in result.stderr
    assert "known and not revoked" in result.stderr


def test_status_names_every_process_and_the_version_served(platform: Platform, tmp_path: Path) -> None:
    a_file(tmp_path)
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    result = tidemill(platform, "status")

    assert result.exit_code == 0, result.output
    for name in ("broker", "bootstrap", "bucket", "gateway"):
        assert name in result.stdout
    assert platform.addresses["gateway"] in result.stdout
    assert "gRPC on 127.0.0.1:" in result.stdout
    assert "tidemill predict flights" in result.stdout


def test_a_pipeline_that_is_not_there_has_no_events(platform: Platform) -> None:
    result = tidemill(platform, "events", "-p", "nope")

    assert result.exit_code == 1
    assert "received 'nope'" in result.stderr


def test_status_says_when_a_schedule_retrains_next(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "yearly.yaml").write_text(
        "metadata: {name: yearly}\nspec: {label: late, retraining: {schedule: 30 4 1 6 *}}\n"
    )
    tidemill(platform, "apply", str(tmp_path / "yearly.yaml"))
    result = tidemill(platform, "status")

    assert "-06-01 " in next(line for line in result.stdout.splitlines() if "yearly" in line)


def test_a_deleted_pipeline_is_specified_no_longer_and_what_was_made_of_it_stays(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(SPEC.replace("flights", "other"))
    tidemill(platform, "apply", str(tmp_path / "other.yaml"))
    made = platform.home.bucket / "spans" / "other" / "manifest.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    result = tidemill(platform, "delete", "other", "--yes")

    assert result.exit_code == 0, result.output
    assert "answers no more" in result.stdout
    assert str(platform.home.bucket) in result.stdout.replace("\n", "")
    assert not (platform.home.bucket / "pipelines" / "other.yaml").exists()
    assert made.exists()


def test_nothing_is_deleted_that_a_person_does_not_confirm(platform: Platform, tmp_path: Path) -> None:
    a_file(tmp_path)
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    result = tidemill(platform, "delete", "flights")

    assert result.exit_code == 1
    assert (platform.home.bucket / "pipelines" / "flights.yaml").exists()


def test_what_a_gateway_does_not_tell_is_neither_shown_nor_deleted(
    platform: Platform, tmp_path: Path
) -> None:
    a_file(tmp_path)
    tidemill(platform, "apply", str(tmp_path / "pipeline.yaml"))
    status = tidemill(platform, "status", "--key", "revoked")
    deleted = tidemill(platform, "delete", "flights", "--yes", "--key", "revoked")

    row = next(line.split() for line in status.stdout.splitlines() if line.startswith(" flights"))
    assert row[:2] == ["flights", "unknown"]
    assert deleted.exit_code == 1
    assert "expected an API key in TIDEMILL_API_KEY" in deleted.stderr
    assert (platform.home.bucket / "pipelines" / "flights.yaml").exists()


def test_a_pipeline_that_is_not_there_cannot_be_deleted(platform: Platform) -> None:
    result = tidemill(platform, "delete", "nope", "--yes")

    assert result.exit_code == 1
    assert "received 'nope'" in result.stderr


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
    assert "TIDEMILL_HOME" in result.stderr


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_home_that_is_no_folder_is_refused_in_words(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = CliRunner().invoke(app, [command, "--home", str(file)])

    assert result.exit_code == 1
    assert f"expected a folder that can be written at {file}" in result.stderr
    assert "kept in" not in result.stdout


def test_marks_and_names_are_written_where_the_locale_is_ascii(tmp_path: Path) -> None:
    (tmp_path / "bucket" / "tidemill" / "pipelines").mkdir(parents=True)
    program = "import sys; sys.argv[0] = 'tidemill'; from tidemill_local.cli.app import main; main()"
    said = subprocess.run(
        [sys.executable, "-c", program, "sql", "SELECT '東京' AS city", "--home", str(tmp_path)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=False,
        timeout=60,
    )

    assert said.returncode == 0, said.stderr
    assert "東京" in said.stdout.decode()


def test_the_document_in_the_readme_is_one() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    document = readme.split("```yaml\n")[1].split("```")[0]

    assert parse_pipeline(document.encode()).name == "flights"


def test_help_comes_without_heavy_imports() -> None:
    heavy = {"google.cloud.pubsub_v1", "duckdb", "tensorflow", "pyarrow"}
    program = f"import tidemill_local.cli.app, sys; print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert loaded.stdout.strip() == "[]"
