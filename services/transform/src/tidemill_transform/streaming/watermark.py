"""How far event time has come, as far as one can tell from what arrived."""

from collections.abc import Iterable


class Watermark:
    """Follows the newest event while events come, and the clock while none do; never goes back.

    So a backlog is read as if it came in time: its windows end one after the other. Times are seconds since
    1970.
    """

    def __init__(self, out_of_order_seconds: float, now: float) -> None:
        self._slack = out_of_order_seconds
        self._newest = 0.0
        self._arrived = now
        self.at = 0.0

    def after(self, event_times: Iterable[float], now: float) -> float:
        """Take note of the events of this moment, and return the watermark."""
        for event_time in event_times:
            self._newest = max(self._newest, min(event_time, now))
            self._arrived = now
        is_idle = now - self._arrived >= self._slack
        self.at = max(self.at, (now if is_idle else self._newest) - self._slack)
        return self.at
