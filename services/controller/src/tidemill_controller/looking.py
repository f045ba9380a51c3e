"""The thread that looks: after every change, and again and again."""

import threading
import time
from collections.abc import Callable

from tidemill_controller.reconciling import Controller
from tidemill_runtime.logs import get_logger

# What changes together is looked at together.
GATHER_SECONDS = 0.2
# A pipeline takes a few calls, each with its own deadline.
STALLED_SECONDS = 600


class Looking:
    """Has a controller look for as long as the process lives."""

    def __init__(
        self, controller: Controller, every_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._controller = controller
        self._every_seconds = every_seconds
        self._changed = threading.Event()
        self._clock = clock
        self._turned_at = clock()

    def look_soon(self) -> None:
        """End the wait for the next look, from any thread."""
        self._changed.set()

    def check_alive(self) -> None:
        """Raise when the thread stopped turning."""
        stalled_seconds = self._clock() - self._turned_at
        if stalled_seconds > STALLED_SECONDS:
            raise RuntimeError(
                f"expected a look every {STALLED_SECONDS} seconds, none for {stalled_seconds:.0f}"
            )

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set, then once more where that is the last chance."""
        while not stop.wait(GATHER_SECONDS):
            self._changed.clear()
            self._try(lambda: self._controller.look(self._turned))
            self._turned()
            self._wait(stop)
        self._try(self._controller.close)

    def _turned(self) -> None:
        self._turned_at = self._clock()

    def _wait(self, stop: threading.Event) -> None:
        # A bare wait() cannot be interrupted by signals on every platform; a timed one can.
        until = time.monotonic() + self._every_seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._changed.wait(min(left, 1.0)):
                return

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - the thread's boundary: whatever it was, the next turn may do better
            get_logger().exception("looking-failed")
