"""The orderly end: not ready first, while requests are still answered; then no new connections; then none."""

import signal
import time
from types import FrameType

import uvicorn

from tidemill_gateway.errors import Code, Refused


class Draining:
    """Whether this process is about to end. `has_begun` is for those who keep connections."""

    has_begun = False

    def check_ready(self) -> None:
        """Raise once the end has begun."""
        if self.has_begun:
            raise Refused(Code.UNAVAILABLE, "Expecting no more requests: the gateway is stopping")


class DrainingServer(uvicorn.Server):
    """Goes on for `drain_seconds` after SIGTERM, so that those who send requests see it coming.

    A second signal, or Ctrl-C, ends it without that.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, drain_seconds: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds
        self._ends_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or end."""
        if sig != signal.SIGTERM or self._draining.has_begun:
            super().handle_exit(sig, frame)
        self._draining.has_begun = True
        self._ends_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Say whether to end; uvicorn asks ten times a second."""
        return await super().on_tick(counter) or time.monotonic() >= self._ends_at
