"""Brings verdicts to the tracking server, after they were told and until it has them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from tidemill_runtime.logs import get_logger
from tidemill_trainer import metrics
from tidemill_trainer.trainings import RECORDED, TOLD, Training, Trainings

POLL_SECONDS = 1
# The registry follows what is deployed; a model is, some seconds after it was blessed.
ALIGN_SECONDS = 5


class Recorder:
    """Records one training after the other; a failure shows in readiness, and never holds up a verdict."""

    def __init__(
        self,
        trainings: Trainings,
        record: Callable[[Training], None],
        align: Callable[[str], bool],
        *,
        retry_seconds: float,
        align_seconds: float = ALIGN_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            trainings: Where everything is remembered.
            record: Must be repeatable, and raises when the tracking server has not got it all.
            align: Brings the registry of a pipeline up to what is deployed; returns whether that stays so.
            retry_seconds: Time before a recording that failed is made again.
            align_seconds: Time between two looks at a registry that is expected to move on.
        """
        self._trainings = trainings
        self._record = record
        self._align = align
        self._retry_seconds = retry_seconds
        self._align_seconds = align_seconds
        self._unsettled: set[str] = set()
        self._aligned_at = time.monotonic()
        self._waiting: SimpleQueue[Training] = SimpleQueue()
        self._failure: Exception | None = None

    def submit(self, training: Training) -> None:
        """Have a training recorded that has its verdict, soon."""
        self._waiting.put(training)

    def resume(self) -> None:
        """Submit every training that was told but not recorded."""
        untold = {training.name for training in self._trainings.without(TOLD)}
        for training in self._trainings.without(RECORDED):
            if training.name not in untold:
                self.submit(training)
        self._unsettled |= self._trainings.pipelines()

    def run(self, stop: threading.Event) -> None:
        """Work until asked to stop."""
        while not stop.is_set():
            with suppress(Empty):
                training = self._waiting.get(timeout=POLL_SECONDS)
                while not stop.is_set() and not self._try(training):
                    stop.wait(self._retry_seconds)
            if time.monotonic() - self._aligned_at >= self._align_seconds:
                self._align_all()

    def check_ready(self) -> None:
        """Raise what the last attempt to record ran into, if it failed."""
        if self._failure is not None:
            raise RuntimeError(f"expected the tracking server to answer, received {self._failure!r}")

    def _try(self, training: Training) -> bool:
        try:
            self._record(training)
            self._trainings.mark(training, RECORDED)
        except Exception as error:  # noqa: BLE001 - tracking may fail in any way; the model is served all the same
            get_logger().exception("recording-failed", model_id=training.model_id)
            metrics.RECORDINGS_FAILED.inc()
            self._failure = error
            return False
        self._failure = None
        self._unsettled.add(training.pipeline)
        get_logger().info("recorded", model_id=training.model_id)
        return True

    def _align_all(self) -> None:
        for pipeline in sorted(self._unsettled):
            try:
                if self._align(pipeline):
                    self._unsettled.discard(pipeline)
            except Exception:  # noqa: BLE001 - tracking may fail in any way; the next look may go better
                get_logger().exception("alignment-failed", pipeline=pipeline)
        self._aligned_at = time.monotonic()
