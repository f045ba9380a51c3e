"""`tidemill mlflow`: MLflow's own pages over everything that was trained, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.upping import stoppable
from tidemill_local.supervisor.home import Home
from tidemill_local.supervisor.ports import HOST, Ports
from tidemill_local.supervisor.probe import why_not_ready
from tidemill_local.supervisor.settings import inherited_environment

# MLflow is large: most of this goes by before it answers.
START_SECONDS = 180
STOP_SECONDS = 10
LOOK_SECONDS = 0.2
# As it opens by itself, MLflow shows what conversations are made of, rather than models.
START_PAGE = "/#/experiments?workflowType=machine_learning"
# No usage reports; and no workers for jobs that only language models have.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def open_mlflow(folder: Path, port: int, console: Console) -> None:
    """Serve MLflow's pages, and return when stopped; raise CommandFailed when they cannot be served."""
    home = Home(folder.resolve())
    database = home.path / "mlflow.db"
    if not database.is_file():
        raise CommandFailed(f"expected trainings in {database}, found none: drop a file first")
    ports = Ports({"mlflow": port})
    address = f"http://{HOST}:{ports.numbers['mlflow']}"
    log = home.log("mlflow")
    with stoppable(), suppress(KeyboardInterrupt), _serving(database, ports.numbers["mlflow"], log) as server:
        with Progress(console).waiting("starting MLflow"):
            _wait(server, f"{address}/health", log)
        console.print(f"MLflow is on {address}{START_PAGE} ; Ctrl-C stops it", soft_wrap=True)
        server.wait()


@contextmanager
def _serving(database: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as lines:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [*command, "--host", HOST, "--port", str(port), "--workers", "1"],
            env={**inherited_environment(), **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            # It starts a process of its own, which has to go with it.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while why_not_ready(url) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise CommandFailed(
                f"expected MLflow to answer within {START_SECONDS} s; the end of {log}:\n{tail}"
            )
        time.sleep(LOOK_SECONDS)
