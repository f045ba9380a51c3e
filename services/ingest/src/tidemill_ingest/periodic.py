"""Work that is done again and again beside everything else."""

import threading
import time
from collections.abc import Callable

from tidemill_runtime.logs import get_logger

STALLED_SECONDS = 900


class Periodic:
    """Calls a function in a thread of its own, with a pause between, whatever it raises."""

    def __init__(self, name: str, function: Callable[[], None], pause_seconds: float) -> None:
        self.name = name
        self._function = function
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._turned_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Begin no other turn, and wait for the one in hand; it can be killed at any moment too."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def check_turning(self) -> None:
        """Raise when no turn has ended for long."""
        seconds = time.monotonic() - self._turned_at
        if seconds > self._pause_seconds + STALLED_SECONDS:
            raise RuntimeError(
                f"expected a turn of {self.name} within {STALLED_SECONDS} s, none in {seconds:.0f} s"
            )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._function()
            except Exception:  # noqa: BLE001 - the bucket may be back at the next turn
                get_logger().exception("turn-failed", work=self.name)
            self._turned_at = time.monotonic()
            self._stop.wait(self._pause_seconds)
