"""What runs training jobs: one small port, and the adapter that starts child processes."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tidemill_trainer.trainings import Training

KILL_SECONDS = 10


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


@dataclass(frozen=True)
class Status:
    """What is known of a job. `detail` says why it failed, as far as the launcher can tell."""

    state: State
    detail: str = ""


class Launcher(Protocol):
    """Runs jobs. A job that exceeds the training deadline fails."""

    def launch(self, job: Job) -> None:
        """Start a job; nothing happens when it was started before."""

    def poll(self, job: Job) -> Status:
        """Look at a job, without waiting."""

    def logs(self, job: Job) -> str:
        """Say where a person finds what the job wrote."""

    def close(self) -> None:
        """End what does not outlive this process."""


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    deadline: float


class ProcessLauncher:
    """Jobs are children of this process, and end with it: on a restart they are launched anew."""

    def __init__(self, scratch_folder: Path, deadline_seconds: float) -> None:
        """Prepare to start children; their logs go to `scratch_folder/logs`."""
        self._logs = scratch_folder / "logs"
        self._deadline_seconds = deadline_seconds
        self._children: dict[str, _Child] = {}

    def launch(self, job: Job) -> None:
        if job.job_id in self._children:
            return
        self._logs.mkdir(parents=True, exist_ok=True)
        with Path(self.logs(job)).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                [sys.executable, *job.arguments, "--parent-pid", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._children[job.job_id] = _Child(process, time.monotonic() + self._deadline_seconds)

    def poll(self, job: Job) -> Status:
        child = self._children.get(job.job_id)
        if child is None:
            return Status(State.ABSENT)
        code = child.process.poll()
        if code is None and time.monotonic() > child.deadline:
            _kill(child.process)
            return Status(State.FAILED, f"expected an end within {self._deadline_seconds} seconds")
        match code:
            case None:
                return Status(State.RUNNING)
            case 0:
                return Status(State.SUCCEEDED)
        return Status(State.FAILED, f"expected exit code 0, received {code}; see {self.logs(job)}")

    def logs(self, job: Job) -> str:
        return str(self._logs / f"{job.job_id}.log")

    def close(self) -> None:
        for child in self._children.values():
            _kill(child.process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(KILL_SECONDS)
