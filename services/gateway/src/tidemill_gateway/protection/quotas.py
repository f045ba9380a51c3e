"""How often one caller may ask."""

import time
from collections.abc import Callable

from tidemill_gateway.errors import Code, Refused


class TokenBucket:
    """Lets `per_second` requests pass, and up to `burst` at once after a pause."""

    __slots__ = ("_at", "_clock", "_tokens", "burst", "per_second")

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._at = clock()
        self._tokens = burst

    def take(self) -> None:
        """Count one request; raises Refused, with the time until the next may pass."""
        now = self._clock()
        tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if tokens >= 1:
            self._tokens = tokens - 1
            return
        self._tokens = tokens
        raise Refused(
            Code.RESOURCE_EXHAUSTED,
            f"Expecting at most {self.per_second:g} requests a second of this caller but got more",
            retry_after_seconds=(1 - tokens) / self.per_second,
            reason="quota-exceeded",
        )
