"""How much a peer may ask of a connection that costs us more than it: pings, settings, streams given up."""

from tidemill_runtime.rpc.frames import ErrorCode, Fault

BURST = 10_000
PER_SECOND = 1_000


class Patience:
    """Runs out when a peer spends faster than it comes back. Times are of one clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._last = now

    def spend(self, now: float, things: int = 1) -> None:
        """Take so many more; raises Fault when it is one too many."""
        self._left = min(BURST, self._left + (now - self._last) * PER_SECOND) - things
        self._last = now
        if self._left < 0:
            raise Fault(ErrorCode.ENHANCE_YOUR_CALM, "expected fewer frames that are no calls")
