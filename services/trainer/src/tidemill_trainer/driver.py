"""Sees every accepted training through to a verdict that was told, across failures and restarts.

What is done is in the bucket, so each step may be cut short and taken again: a job is launched when it is not
there, a verdict is told until that is noted.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from tidemill_contracts.event import EventData
from tidemill_contracts.events import CandidateTrained, ModelBlessed
from tidemill_runtime.logs import get_logger
from tidemill_runtime.telling import Cause
from tidemill_trainer import metrics
from tidemill_trainer.launcher import Job, Launcher, State
from tidemill_trainer.trainings import TOLD, Training, Trainings, Verdict

Tell = Callable[[EventData, Cause], None]

# A step takes a few calls to the bucket, Pub/Sub and Kubernetes, each with its own deadline.
STALLED_SECONDS = 300


class Driver:
    """Runs one training at a time per pipeline, that on the oldest data first."""

    def __init__(
        self,
        trainings: Trainings,
        launcher: Launcher,
        tell: Tell,
        *,
        max_attempts: int,
        pause_seconds: float = 5,
        on_told: Callable[[Training], None],
    ) -> None:
        """Prepare.

        Args:
            trainings: Where everything is remembered.
            launcher: What runs jobs.
            tell: Publishes an event, or raises.
            max_attempts: Failed jobs after which a training is given up.
            pause_seconds: Time before a step that raised is taken again.
            on_told: Called with each training whose verdict was told.
        """
        self._trainings = trainings
        self._launcher = launcher
        self._tell = tell
        self._max_attempts = max_attempts
        self._pause_seconds = pause_seconds
        self._paused_until: dict[str, float] = {}
        self._on_told = on_told
        self._accepted: SimpleQueue[Training] = SimpleQueue()
        self._open: dict[str, Training] = {}
        self._current: dict[str, Training] = {}
        self._told_candidates: set[str] = set()
        self._turned_at = time.monotonic()

    def accept(self, training: Training) -> None:
        """Take a training on for good, from any thread: once this returns, not even a crash loses it."""
        self._accepted.put(self._trainings.accept(training))

    def resume(self) -> None:
        """Take up every training whose verdict was not told yet."""
        self._open |= {training.name: training for training in self._trainings.without(TOLD)}

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Work until asked to stop."""
        while not stop.is_set():
            self.step()
            self._turned_at = time.monotonic()
            with suppress(Empty):
                self._admit(self._accepted.get(timeout=poll_seconds))

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
            self._admit(self._accepted.get())
        for pipeline in sorted({training.pipeline for training in self._open.values()}):
            if time.monotonic() >= self._paused_until.get(pipeline, 0):
                self._try(pipeline)
        metrics.OPEN.set(len(self._open))

    def _try(self, pipeline: str) -> None:
        try:
            self._advance(self._choose(pipeline))
        except Exception:  # noqa: BLE001 - one pipeline's trouble must not hold up another; the bucket has it all
            get_logger().exception("driver-failed", pipeline=pipeline)
            self._paused_until[pipeline] = time.monotonic() + self._pause_seconds

    def _admit(self, training: Training) -> None:
        self._open[training.name] = training

    def _choose(self, pipeline: str) -> Training:
        if pipeline not in self._current:
            # A job may outlive this process. It goes first, whatever its data: two trainings at once would
            # each be judged against a champion that the other may replace.
            self._current[pipeline] = min(
                (training for training in self._open.values() if training.pipeline == pipeline),
                key=lambda training: (not self._is_running(training), training.data, training.model_id),
            )
        return self._current[pipeline]

    def _is_running(self, training: Training) -> bool:
        return self._launcher.poll(self._next_job(training)).state is State.RUNNING

    def _next_job(self, training: Training) -> Job:
        return Job(training, attempt=self._trainings.failures(training) + 1)

    def _advance(self, training: Training) -> None:
        self._tell_candidates(training)
        job = self._next_job(training)
        status = self._launcher.poll(job)
        if status.state is State.RUNNING:
            return
        if (verdict := self._trainings.verdict(training)) is not None:
            self._conclude(training, verdict)
        elif status.state is not State.ABSENT:
            detail = status.detail or "expected a model manifest, the job ended without one"
            self._trainings.add_failure(training, job.attempt, detail)
            metrics.JOBS_FAILED.inc()
            get_logger().warning("job-failed", job_id=job.job_id, detail=detail)
        elif job.attempt > self._max_attempts:
            self._trainings.reject(training, self._trainings.failure(training, job.attempt - 1))
        else:
            self._launcher.launch(job)
            get_logger().info("job-launched", job_id=job.job_id, logs=self._launcher.logs(job))

    def _tell_candidates(self, training: Training) -> None:
        for name, candidate in self._trainings.candidates(training, besides=self._told_candidates):
            facts = candidate.model_dump(include={"family", "metrics", "seconds"})
            told = CandidateTrained(pipeline=training.pipeline, model_id=training.model_id, **facts)
            self._tell(told, training.cause)
            self._told_candidates.add(name)

    def _conclude(self, training: Training, verdict: Verdict) -> None:
        self._tell_candidates(training)
        self._tell(verdict, training.cause)
        self._trainings.mark(training, TOLD)
        self._on_told(training)
        del self._open[training.name], self._current[training.pipeline]
        outcome = "blessed" if isinstance(verdict, ModelBlessed) else "rejected"
        metrics.VERDICTS.labels(outcome).inc()
        metrics.TRAINING_SECONDS.observe(verdict.seconds)
        get_logger().info("verdict-told", model_id=training.model_id, outcome=outcome)
