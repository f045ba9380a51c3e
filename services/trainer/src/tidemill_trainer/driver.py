"""Sees every accepted training through to an end that was told, across failures and restarts.

What is done is in the bucket, so each step may be cut short and taken again: a job is launched when it is not
there, a verdict is told until that is noted.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from tidemill_contracts.events import ModelBlessed
from tidemill_runtime.logs import get_logger
from tidemill_trainer import metrics
from tidemill_trainer.announcing import Announcer, Tell
from tidemill_trainer.launcher import Job, Launcher, State
from tidemill_trainer.queueing import Queue
from tidemill_trainer.standing import SUPERSEDED_TOLD, Standing, Standings
from tidemill_trainer.trainings import TOLD, Training, Trainings, Verdict

# A step takes a few calls to the bucket, Pub/Sub and Kubernetes, each with its own deadline.
STALLED_SECONDS = 300


@dataclass(frozen=True)
class Limits:
    """Failed jobs after which a training is given up, and jobs at once over all pipelines."""

    max_attempts: int
    max_running: int


class Driver:
    """Runs one training at a time per pipeline, that on the newest data first, and so many over all.

    Of those that wait, newer data of the same spec takes the place of older, unless someone asked for that.
    """

    def __init__(
        self,
        trainings: Trainings,
        launcher: Launcher,
        tell: Tell,
        *,
        limits: Limits,
        pause_seconds: float = 5,
        on_told: Callable[[Training], None],
    ) -> None:
        """Prepare.

        Args:
            trainings: Where everything is remembered.
            launcher: What runs jobs.
            tell: Publishes an event, or raises.
            limits: How often, and how many at once.
            pause_seconds: Time before a step that raised is taken again.
            on_told: Called with each training whose verdict was told.
        """
        self._trainings = trainings
        self._standings = Standings(trainings)
        self._launcher = launcher
        self._tell = tell
        self._announcer = Announcer(trainings, tell)
        self._limits = limits
        self._pause_seconds = pause_seconds
        self._paused_until: dict[str, float] = {}
        self._on_told = on_told
        self._accepted: SimpleQueue[Standing] = SimpleQueue()
        self._queue = Queue()
        self._running: set[str] = set()
        # What only this process changes: it need not be asked for at every step.
        self._attempts: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._turned_at = time.monotonic()

    def accept(self, training: Training) -> None:
        """Take a training on for good, from any thread: once this returns, not even a crash loses it."""
        self._accepted.put(self._standings.accept(training))

    def resume(self) -> None:
        """Take up every training whose end was not told yet."""
        for standing in self._standings.unfinished():
            self._queue.admit(standing)
            # A job may outlive this process: it counts as running until it was looked at.
            if standing.is_launched:
                self._running.add(standing.training.name)

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Work until asked to stop."""
        while not stop.is_set():
            self.step()
            self._turned_at = time.monotonic()
            with suppress(Empty):
                self._queue.admit(self._accepted.get(timeout=poll_seconds))

    def check_alive(self) -> None:
        """Raise when the driver stopped turning."""
        stalled_seconds = time.monotonic() - self._turned_at
        if stalled_seconds > STALLED_SECONDS:
            raise RuntimeError(
                f"expected a turn every {STALLED_SECONDS} seconds, none for {stalled_seconds:.0f}"
            )

    def step(self) -> None:
        """Advance the training of every pipeline that has one, as far as possible without waiting.

        What fails is logged, and tried again after a pause.
        """
        while not self._accepted.empty():
            self._queue.admit(self._accepted.get())
        for pipeline in self._queue.pipelines():
            if time.monotonic() >= self._paused_until.get(pipeline, 0):
                self._try(pipeline)
        metrics.OPEN.set(len(self._queue))

    def _try(self, pipeline: str) -> None:
        try:
            self._give_way(pipeline)
            training = self._queue.next(pipeline)
            if training is not None:
                self._advance(training)
        except Exception:  # noqa: BLE001 - one pipeline's trouble must not hold up another; the bucket has it all
            get_logger().exception("driver-failed", pipeline=pipeline)
            self._paused_until[pipeline] = time.monotonic() + self._pause_seconds

    def _give_way(self, pipeline: str) -> None:
        for old, newer in self._queue.overtaken(pipeline):
            self._queue.admit(self._standings.supersede(old, newer))
        for old in self._queue.untold(pipeline):
            superseded = self._standings.superseded(old.intent)
            self._tell(superseded, old.intent.cause)
            self._trainings.mark(old.intent, SUPERSEDED_TOLD)
            self._queue.told_superseded(old)
            metrics.VERDICTS.labels("superseded").inc()
            get_logger().info(
                "superseded-told", model_id=superseded.model_id, by_model_id=superseded.by_model_id
            )

    def _advance(self, training: Training) -> None:
        if training.name not in self._attempts:
            self._attempts[training.name] = self._trainings.failures(training) + 1
        job = Job(training, self._attempts[training.name])
        status = self._launcher.poll(job)
        if status.state is State.RUNNING:
            self._running.add(training.name)
            self._announcer.follow(training)
            return
        self._running.discard(training.name)
        has_room = len(self._running) < self._limits.max_running
        if status.state is State.ABSENT and training.name in self._waiting and not has_room:
            return
        if (verdict := self._trainings.verdict(training)) is not None:
            self._conclude(training, verdict)
        elif status.state is not State.ABSENT:
            detail = status.detail or "expected a model manifest, the job ended without one"
            self._trainings.add_failure(training, job.attempt, detail)
            del self._attempts[training.name]
            metrics.JOBS_FAILED.inc()
            get_logger().warning("job-failed", job_id=job.job_id, detail=detail)
        elif job.attempt > self._limits.max_attempts:
            self._trainings.reject(training, self._trainings.failure(training, job.attempt - 1))
        elif has_room:
            self._launch(job)
        else:
            self._waiting.add(training.name)

    def _launch(self, job: Job) -> None:
        logs = self._launcher.logs(job)
        self._standings.note_launch(job.training, job.attempt, logs)
        self._queue.launched(job.training)
        self._launcher.launch(job, self._trainings.spec(job.training))
        self._running.add(job.training.name)
        get_logger().info("job-launched", job_id=job.job_id, logs=logs)

    def _conclude(self, training: Training, verdict: Verdict) -> None:
        self._announcer.tell(training)
        self._tell(verdict, training.cause)
        self._trainings.mark(training, TOLD)
        self._on_told(training)
        self._queue.remove(training)
        self._announcer.forget(training)
        self._attempts.pop(training.name, None)
        self._waiting.discard(training.name)
        outcome = "blessed" if isinstance(verdict, ModelBlessed) else "rejected"
        metrics.VERDICTS.labels(outcome).inc()
        metrics.TRAINING_SECONDS.observe(verdict.seconds)
        get_logger().info("verdict-told", model_id=training.model_id, outcome=outcome)
