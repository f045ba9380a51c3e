"""MLflow's own pages, served by its own processes over what was trained."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from tidemill_local.cli.app import app

START_SECONDS = 100


def test_without_trainings_there_is_nothing_to_open(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["mlflow", "--home", str(tmp_path)])

    assert result.exit_code == 1
    assert "mlflow.db, found none: drop a file first" in " ".join(result.stderr.split())


@pytest.mark.timeout(240)
def test_runs_are_served_with_their_pages_until_it_is_stopped(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.create_run(client.create_experiment("flights"), run_name="dataset 1")
    command = (sys.executable, "-c", "from tidemill_local.cli.app import main; main()", "mlflow")
    with subprocess.Popen([*command, "--home", str(tmp_path)], stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        said = served.stdout.readline()
        address = next(word.partition("/#")[0] for word in said.split() if word.startswith("http://"))
        page = get(f"{address}/")
        found = json.loads(get(f"{address}/api/2.0/mlflow/runs/get?run_id={run.info.run_id}"))
        served.send_signal(signal.SIGTERM)
        assert served.wait(30) == 0

    assert b"<title>MLflow</title>" in page
    assert found["run"]["info"]["run_name"] == "dataset 1"
    assert left_of(str(tmp_path)) == []


def get(url: str) -> bytes:
    address = urlsplit(url)
    with closing(HTTPConnection(address.netloc, timeout=30)) as connection:
        connection.request("GET", f"{address.path}?{address.query}")
        return connection.getresponse().read()


def left_of(home: str) -> list[str]:
    """Name the processes that still serve a home folder, once they had time to end."""
    deadline = time.monotonic() + 10
    while (left := serving(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def serving(home: str) -> list[str]:
    listed = subprocess.run(("ps", "-eo", "pid,args"), capture_output=True, text=True, check=True).stdout
    own = str(os.getpid())
    return [line for line in listed.splitlines() if home in line and own not in line.split()]
