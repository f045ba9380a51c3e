"""Brings verdicts to the tracking server, after they were told and until it has them."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from tidemill_runtime.logs import get_logger
from tidemill_trainer import metrics
from tidemill_trainer.trainings import RECORDED, TOLD, Training, Trainings

POLL_SECONDS = 1


class Recorder:
    """Records one training after the other; a failure shows in readiness, and never holds up a verdict."""

    def __init__(
        self, trainings: Trainings, record: Callable[[Training], None], *, retry_seconds: float
    ) -> None:
        """Prepare; `record` must be repeatable, and raises when the tracking server has not got it all."""
        self._trainings = trainings
        self._record = record
        self._retry_seconds = retry_seconds
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

    def run(self, stop: threading.Event) -> None:
        """Work until asked to stop."""
        while not stop.is_set():
            with suppress(Empty):
                training = self._waiting.get(timeout=POLL_SECONDS)
                while not stop.is_set() and not self._try(training):
                    stop.wait(self._retry_seconds)

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
        get_logger().info("recorded", model_id=training.model_id)
        return True
