"""One contract for every launcher, held over real child processes and a server of Kubernetes' batch API."""

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from kubernetes.client import ApiClient, Configuration
from trainer_world import a_training, commit_model

from tidemill_runtime.folder import FolderStore
from tidemill_trainer.kubernetes_launcher import KubernetesLauncher
from tidemill_trainer.launcher import Job, Launcher, ProcessLauncher, State, Status
from tidemill_trainer.trainings import Trainings

JOB = Job(a_training(), attempt=1)
TEMPLATE = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"namespace": "learning", "labels": {"app": "trainer"}},
    "spec": {"template": {"spec": {"containers": [{"name": "job", "image": "tidemill/trainer"}]}}},
}


PARENT = """
import sys, time
from pathlib import Path
from tidemill_trainer.launcher import Job, ProcessLauncher
from tidemill_trainer.trainings import Training
ProcessLauncher(Path(sys.argv[1]), 60).launch(Job(Training.model_validate_json(sys.argv[2]), 1))
print("launched", flush=True)
time.sleep(60)
"""


class Machine(Protocol):
    """Where a launcher's jobs run. A job that was launched goes on until the test lets it end."""

    def launcher(self, deadline_seconds: int = 60) -> Launcher: ...

    def let_end(self, *, well: bool) -> None: ...

    def started(self) -> int:
        """How many jobs were ever started."""


class Processes:
    """Real jobs that wait for a lock the test holds; then one whose model exists ends well at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FolderStore(folder / "bucket")
        Trainings(self._store).accept(JOB.training)
        self._lock = (folder / f"{JOB.training.model_id}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def launcher(self, deadline_seconds: int = 60) -> Launcher:
        return ProcessLauncher(self._folder, deadline_seconds)

    def let_end(self, *, well: bool) -> None:
        if well:
            commit_model(self._store, JOB.training)
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def started(self) -> int:
        return len(list((self._folder / "logs").iterdir()))

    def close(self) -> None:
        self._lock.close()


class BatchApi:
    """As much of the Kubernetes batch/v1 API as keeps Jobs, over real HTTP."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "job.yaml"
        self._template.write_text(yaml.safe_dump(TEMPLATE))
        self.jobs: dict[str, dict[str, Any]] = {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*api.create(self.path, body))

            def do_GET(self) -> None:
                self._answer(*api.read(self.path))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Requests are not worth a line."""

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def create(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"{path}/{body['metadata']['name']}"
        if name in self.jobs:
            return 409, {"kind": "Status", "reason": "AlreadyExists"}
        self.jobs[name] = {**body, "status": {"active": 1}}
        return 201, self.jobs[name]

    def read(self, path: str) -> tuple[int, dict[str, Any]]:
        name = path.removesuffix("/status")
        return (
            (200, self.jobs[name]) if name in self.jobs else (404, {"kind": "Status", "reason": "NotFound"})
        )

    def launcher(self, deadline_seconds: int = 60) -> KubernetesLauncher:
        client = ApiClient(Configuration(host=f"http://127.0.0.1:{self._server.server_port}"))
        return KubernetesLauncher(client, self._template, deadline_seconds)

    def let_end(self, *, well: bool) -> None:
        condition = {
            "type": "Complete" if well else "Failed",
            "status": "True",
            "reason": "R",
            "message": "M",
        }
        for job in self.jobs.values():
            job["status"] = {"conditions": [{"type": "Suspended", "status": "False"}, condition]}

    def started(self) -> int:
        return len(self.jobs)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_BUCKET_URL", (tmp_path / "bucket").as_uri())
    monkeypatch.setenv("TIDEMILL_TRACKING_URI", "sqlite:///:memory:")
    monkeypatch.setenv("TIDEMILL_SCRATCH_FOLDER", str(tmp_path))


@pytest.fixture
def processes(tmp_path: Path, settings: None) -> Iterator[Processes]:
    machine = Processes(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def batch_api(tmp_path: Path) -> Iterator[BatchApi]:
    machine = BatchApi(tmp_path)
    yield machine
    machine.close()


@pytest.fixture(params=["processes", "batch_api"])
def machine(request: pytest.FixtureRequest) -> Machine:
    machine: Machine = request.getfixturevalue(request.param)
    return machine


def is_alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def ended(launcher: Launcher) -> Status:
    """Wait until the job is not running any more, and return its last status."""
    for _ in range(600):
        status = launcher.poll(JOB)
        if status.state is not State.RUNNING:
            return status
        time.sleep(0.05)
    raise AssertionError(f"expected an end, the job still runs; see {launcher.logs(JOB)}")


def test_a_job_nobody_launched_is_absent(machine: Machine) -> None:
    assert machine.launcher().poll(JOB).state is State.ABSENT


def test_a_launched_job_runs_once_and_ends_well(machine: Machine) -> None:
    launcher = machine.launcher()
    for _ in range(2):
        launcher.launch(JOB)
    assert launcher.poll(JOB).state is State.RUNNING

    machine.let_end(well=True)

    assert ended(launcher).state is State.SUCCEEDED
    assert machine.started() == 1


def test_a_job_that_fails_says_so_and_where_to_look(machine: Machine) -> None:
    launcher = machine.launcher()
    launcher.launch(JOB)

    machine.let_end(well=False)

    status = ended(launcher)
    assert status.state is State.FAILED
    assert launcher.logs(JOB) in status.detail


def test_another_attempt_is_another_job(machine: Machine) -> None:
    launcher = machine.launcher()
    launcher.launch(JOB)

    assert launcher.poll(Job(JOB.training, attempt=2)).state is State.ABSENT
    launcher.close()


def test_a_failed_job_leaves_its_last_error_in_the_bucket(processes: Processes, tmp_path: Path) -> None:
    launcher = processes.launcher()
    launcher.launch(JOB)
    processes.let_end(well=False)
    ended(launcher)

    trainings = Trainings(FolderStore(tmp_path / "bucket"))
    trainings.add_failure(JOB.training, JOB.attempt, "exit code 1")

    reason = trainings.failure(JOB.training, JOB.attempt)
    assert reason.code == "training-failed"
    assert reason.message.startswith("ObjectNotFound: datasets/flights/")


def test_a_process_that_takes_too_long_is_ended(processes: Processes) -> None:
    launcher = processes.launcher(deadline_seconds=0)
    launcher.launch(JOB)
    time.sleep(0.01)

    status = launcher.poll(JOB)

    assert (status.state, status.detail) == (State.FAILED, "expected an end within 0 seconds")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent ended")
def test_a_process_ends_with_a_trainer_that_is_killed(processes: Processes, tmp_path: Path) -> None:
    command = (sys.executable, "-c", PARENT, str(tmp_path), JOB.training.model_dump_json())
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"launched\n"
        job_pid = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().strip()

        parent.kill()

    for _ in range(600):
        if not is_alive(job_pid):
            return
        time.sleep(0.05)
    raise AssertionError(f"expected process {job_pid} to end with its parent, it lives on")


def test_a_kubernetes_job_is_a_copy_of_the_template_with_a_name_a_command_and_limits(
    batch_api: BatchApi,
) -> None:
    batch_api.launcher(deadline_seconds=90).launch(JOB)

    name = f"tidemill-training-{JOB.training.model_id}-1"
    container = {"name": "job", "image": "tidemill/trainer", "command": ["python", *JOB.arguments]}
    assert batch_api.jobs == {
        f"/apis/batch/v1/namespaces/learning/jobs/{name}": {
            **TEMPLATE,
            "metadata": {"namespace": "learning", "labels": {"app": "trainer"}, "name": name},
            "spec": {
                "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
                "backoffLimit": 0,
                "activeDeadlineSeconds": 90,
                "ttlSecondsAfterFinished": 86400,
                "podReplacementPolicy": "Failed",
            },
            "status": {"active": 1},
        }
    }
