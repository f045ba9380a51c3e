"""One contract for every launcher: over child processes, a stand-in for Kubernetes' API, and the real one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kube_apiserver import KubeApiServer, kube_apiserver
from launcher_machines import JOB, SPEC, TEMPLATE, BatchApi, Cluster, Machine, Processes

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.launcher import Job, Launcher, State, Status, deadline_seconds
from tidemill_trainer.trainings import Trainings

PARENT = """
import sys, time
from pathlib import Path
from tidemill_trainer.launcher import Job, ProcessLauncher
from tidemill_trainer.trainings import Training
from tidemill_contracts.training_spec import Training as TrainingSpec
job = Job(Training.model_validate_json(sys.argv[2]), 1)
ProcessLauncher(Path(sys.argv[1]), 60).launch(job, TrainingSpec())
print("launched", flush=True)
time.sleep(60)
"""


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    with kube_apiserver(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


@pytest.fixture
def cluster(server: KubeApiServer, tmp_path: Path) -> Cluster:
    return Cluster(server, tmp_path)


@pytest.fixture(params=["processes", "batch_api", "cluster"])
def machine(request: pytest.FixtureRequest) -> Machine:
    machine: Machine = request.getfixturevalue(request.param)
    return machine


def is_alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def workers_of(job: Job) -> dict[str, int]:
    """Return the process of each worker that this test's launcher started, by its index."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            command = (folder / "cmdline").read_text().split("\0")
            is_ours = f"PPid:\t{os.getpid()}\n" in (folder / "status").read_text()
            if is_ours and job.training.name in command and "--worker-index" in command:
                found[command[command.index("--worker-index") + 1]] = int(folder.name)
    return found


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
        launcher.launch(JOB, SPEC)
    assert launcher.poll(JOB).state is State.RUNNING

    machine.let_end(well=True)

    assert ended(launcher).state is State.SUCCEEDED
    assert machine.started() == 1


def test_a_job_that_fails_says_so_and_where_to_look(machine: Machine) -> None:
    launcher = machine.launcher()
    launcher.launch(JOB, SPEC)

    machine.let_end(well=False)

    status = ended(launcher)
    assert status.state is State.FAILED
    assert launcher.logs(JOB) in status.detail


def test_another_attempt_is_another_job(machine: Machine) -> None:
    launcher = machine.launcher()
    launcher.launch(JOB, SPEC)

    assert launcher.poll(Job(JOB.training, attempt=2)).state is State.ABSENT
    launcher.close()


def test_a_failed_job_leaves_its_last_error_in_the_bucket(processes: Processes, tmp_path: Path) -> None:
    launcher = processes.launcher()
    launcher.launch(JOB, SPEC)
    processes.let_end(well=False)
    ended(launcher)

    trainings = Trainings(FolderStore(tmp_path / "bucket"))
    trainings.add_failure(JOB.training, JOB.attempt, "exit code 1")

    reason = trainings.failure(JOB.training, JOB.attempt)
    assert reason.code == "training-failed"
    assert reason.message.startswith("ObjectNotFound: datasets/flights/")


def test_a_process_that_takes_too_long_is_ended(processes: Processes) -> None:
    launcher = processes.launcher(deadline_seconds=0)
    launcher.launch(JOB, SPEC)
    time.sleep(0.01)

    status = launcher.poll(JOB)

    assert status.state is State.FAILED
    assert status.detail.startswith("expected an end within 0 seconds; see ")


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


@pytest.mark.parametrize(
    ("budget", "seconds"), [("fast", 3600), ("10m", 3600), ("2h", 2 * 3600 * 1.05 + 600)]
)
def test_a_job_may_take_what_its_budget_needs(budget: str, seconds: float) -> None:
    assert deadline_seconds(3600, TrainingSpec(budget=budget)) == seconds


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which processes there are")
def test_every_worker_is_a_process_and_one_that_fails_ends_them_all(
    processes: Processes, tmp_path: Path
) -> None:
    launcher = processes.launcher()
    launcher.launch(JOB, TrainingSpec(workers=3))
    deadline = time.monotonic() + 10
    while len(workers := workers_of(JOB)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)  # a process has its command line a moment after it was started

    os.kill(workers["1"], signal.SIGKILL)
    status = ended(launcher)

    assert sorted(workers) == ["0", "1", "2"]
    assert status.state is State.FAILED
    assert "received -9" in status.detail
    assert workers_of(JOB) == {}


def test_workers_that_all_end_well_end_the_job_well(processes: Processes) -> None:
    launcher = processes.launcher()
    launcher.launch(JOB, TrainingSpec(workers=2))

    processes.let_end(well=True)

    assert ended(launcher).state is State.SUCCEEDED


def test_why_a_container_failed_is_in_the_detail(batch_api: BatchApi) -> None:
    launcher = batch_api.launcher()
    launcher.launch(JOB, SPEC)
    terminated = {"exitCode": 137, "reason": "OOMKilled", "message": "the last line"}
    statuses: list[dict[str, Any]] = [
        {"name": "job", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        | {"state": {"terminated": terminated}}
    ]
    batch_api.pods = [{"metadata": {"name": "pod"}, "status": {"containerStatuses": statuses}}]

    batch_api.let_end(well=False)

    assert "OOMKilled (exit code 137) the last line" in ended(launcher).detail


def test_a_job_belongs_to_the_deployment_that_the_template_names(tmp_path: Path) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "trainer"}
    metadata = {**TEMPLATE["metadata"], "ownerReferences": [owner]}
    api = BatchApi(tmp_path, {**TEMPLATE, "metadata": metadata})

    api.launcher().launch(JOB, SPEC)
    api.close()

    [job] = api.jobs.values()
    assert job["metadata"]["ownerReferences"] == [{**owner, "uid": "the-uid"}]


def test_logs_are_where_the_template_says(tmp_path: Path) -> None:
    metadata = {**TEMPLATE["metadata"], "annotations": {"tidemill.dev/logs": "https://logs/?job={job}"}}
    api = BatchApi(tmp_path, {**TEMPLATE, "metadata": metadata})

    logs = api.launcher().logs(JOB)
    api.close()

    assert logs == f"https://logs/?job=tidemill-training-{JOB.job_id}"


@pytest.mark.parametrize(
    "spec",
    [
        {"workers": 4},
        {"resources": {"cpu": "4", "memory": "8Gi", "gpus": 2, "gpuType": "nvidia-l4", "spot": True}},
        {"families": ["custom"], "custom": {"command": ["train"], "image": "mine:1"}},
    ],
    ids=str,
)
def test_the_api_server_takes_whatever_a_spec_asks_for(cluster: Cluster, spec: dict[str, Any]) -> None:
    launcher = cluster.launcher()

    launcher.launch(JOB, TrainingSpec.model_validate(spec))

    assert launcher.poll(JOB).state is State.RUNNING
