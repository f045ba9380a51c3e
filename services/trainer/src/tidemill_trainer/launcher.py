"""What runs training jobs: one small port, and the adapter that starts child processes."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_trainer.addresses import free_addresses
from tidemill_trainer.trainings import Training

KILL_SECONDS = 10
# What a job may take beyond its budget: 5 % of it, and the time to begin: a node, an image, libraries.
OVERTIME = 1.05
START_UP_SECONDS = 600


class State(StrEnum):
    """Where a job is in its life. A job that was never launched, or is forgotten, is ABSENT."""

    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One attempt at one training."""

    training: Training
    attempt: int

    @property
    def job_id(self) -> str:
        """The same attempt has the same id, in any process: lower case letters, digits and dashes."""
        return f"{self.training.model_id}-{self.attempt}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line after the interpreter."""
        return ("-m", "tidemill_trainer.job", "--intent", self.training.name, "--attempt", str(self.attempt))

    def worker_arguments(self, peers: Sequence[str], index: str) -> tuple[str, ...]:
        """The command line of one of several workers, which reach each other at `host:port` each."""
        return (*self.arguments, "--peers", ",".join(peers), "--worker-index", index)


@dataclass(frozen=True)
class Status:
    """What is known of a job. `detail` says why it failed, as far as the launcher can tell."""

    state: State
    detail: str = ""


class Launcher(Protocol):
    """Runs jobs. A job that exceeds its deadline fails; one of several workers that fails, fails the job."""

    def launch(self, job: Job, spec: TrainingSpec) -> None:
        """Start a job, as its spec says; nothing happens when it was started before."""

    def poll(self, job: Job) -> Status:
        """Look at a job, without waiting."""

    def logs(self, job: Job) -> str:
        """Say where a person finds what the job wrote."""

    def close(self) -> None:
        """End what does not outlive this process."""


def deadline_seconds(setting_seconds: int, spec: TrainingSpec) -> int:
    """Return how long a job may take: what the settings allow, or what its budget needs if that is more."""
    if spec.budget_seconds is None:
        return setting_seconds
    return max(setting_seconds, round(OVERTIME * spec.budget_seconds + START_UP_SECONDS))


@dataclass(frozen=True)
class _Workers:
    """The processes of one job, each on its own core or sharing one."""

    processes: tuple[subprocess.Popen[bytes], ...]
    seconds: float
    ends_at: float

    def status(self) -> Status:
        codes = [process.poll() for process in self.processes]
        failed = [code for code in codes if code]
        if failed:
            self.kill()
            return Status(State.FAILED, f"expected exit code 0, received {failed[0]}")
        if None not in codes:
            return Status(State.SUCCEEDED)
        if time.monotonic() > self.ends_at:
            self.kill()
            return Status(State.FAILED, f"expected an end within {self.seconds:g} seconds")
        return Status(State.RUNNING)

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(KILL_SECONDS)


class ProcessLauncher:
    """Jobs are children of this process, and end with it: on a restart they are launched anew."""

    def __init__(self, scratch_folder: Path, deadline_seconds: int) -> None:
        """Prepare to start children; their logs go to `scratch_folder/logs`."""
        self._logs = scratch_folder / "logs"
        self._deadline_seconds = deadline_seconds
        self._jobs: dict[str, _Workers] = {}

    def launch(self, job: Job, spec: TrainingSpec) -> None:
        if job.job_id in self._jobs:
            return
        self._logs.mkdir(parents=True, exist_ok=True)
        seconds = deadline_seconds(self._deadline_seconds, spec)
        peers = free_addresses(spec.workers) if spec.workers > 1 else []
        commands = [job.worker_arguments(peers, str(index)) for index in range(len(peers))] or [job.arguments]
        with Path(self.logs(job)).open("wb") as log:
            processes = tuple(
                subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                    [sys.executable, *command, "--parent-pid", str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                for command in commands
            )
        self._jobs[job.job_id] = _Workers(processes, seconds, time.monotonic() + seconds)

    def poll(self, job: Job) -> Status:
        workers = self._jobs.get(job.job_id)
        if workers is None:
            return Status(State.ABSENT)
        status = workers.status()
        detail = f"{status.detail}; see {self.logs(job)}" if status.detail else ""
        return Status(status.state, detail)

    def logs(self, job: Job) -> str:
        return str(self._logs / f"{job.job_id}.log")

    def close(self) -> None:
        for workers in self._jobs.values():
            workers.kill()
