"""How many requests are worked on at once: as many as are answered in good time, the rest is refused early.

Every model has a limit of its own, so that a slow one does not take the place of a fast one. A limit falls
and rises in proportion to how much longer or shorter than good time requests take (Little's law: so many fit
into it); it rises only while all its places are taken. What a model takes without a queue is learnt while few
places are taken, so that slow models are not mistaken for overloaded ones.
"""

import time
from collections.abc import Callable

from tidemill_gateway.errors import Code, Refused

# What is seen for so long, and so often, is acted on; or for longer, however seldom.
WINDOW_SECONDS = 0.1
LONG_WINDOW_SECONDS = 1.0
LEAST_SAMPLES = 8
# So many are let in whatever the machine does, while answers come within BAD_SECONDS: callers that ask again
# at once must not be refused for a stall, or refusals are all that is done.
FEW_PLACES = 64
BAD_SECONDS = 1.0
LEAST_PLACES = 4
# How many times longer than without a queue is good time too.
PATIENCE = 3
LARGEST_CUT = 0.5
LARGEST_GROWTH = 1.2
LEARNING = 0.3
RETRY_SECONDS = 1.0


class Places:
    """The places of all models together: `most`, of which `taken` are in use."""

    __slots__ = ("clock", "good_seconds", "most", "taken")

    def __init__(self, good_seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Answers within `good_seconds` are in time, whatever the model."""
        self.good_seconds = good_seconds
        self.most = most
        self.clock = clock
        self.taken = 0


class Overloaded(Refused):
    """There is no place for a request."""

    def __init__(self, limit: "Limit") -> None:
        super().__init__(
            Code.UNAVAILABLE,
            "More requests are waiting than can be answered in time",
            retry_after_seconds=RETRY_SECONDS,
            reason="overloaded",
        )
        self.limit = limit


class Limit:
    """The places of one model: `limit`, of which `taken` are in use, and `expected` about to be."""

    __slots__ = (
        "_all",
        "_alone_seconds",
        "_peak",
        "_samples",
        "_seconds",
        "_window_began",
        "expected",
        "limit",
        "taken",
    )

    def __init__(self, places: Places) -> None:
        """Begin with all places."""
        self._all = places
        self.limit = float(places.most)
        self.taken = 0
        self.expected = 0
        self._alone_seconds = 0.0
        self._window_began = places.clock()
        self._peak = 0
        self._samples = 0
        self._seconds = 0.0

    @property
    def is_full(self) -> bool:
        """Say whether there is no place; whoever asks would have taken it."""
        expected = self.expected
        if self.taken + expected < self.limit and self._all.taken + expected < self._all.most:
            return False
        self._peak = self.taken
        return True

    def enter(self) -> None:
        """Take a place; raises Overloaded when all are taken."""
        if self.is_full:
            raise Overloaded(self)
        self._all.taken += 1
        self.taken += 1
        if self.taken > self._peak:  # noqa: PLR1730 - every request comes by, and max() costs thrice
            self._peak = self.taken

    def leave(self, seconds: float, code: Code) -> None:
        """Give the place back; `seconds` since `enter`. Errors other than a missed deadline teach nothing."""
        self._all.taken -= 1
        self.taken -= 1
        if code is Code.OK or code is Code.DEADLINE_EXCEEDED:
            self._samples += 1
            self._seconds += seconds
            self._look()

    def _look(self) -> None:
        now = self._all.clock()
        seconds = now - self._window_began
        if seconds >= WINDOW_SECONDS and (self._samples >= LEAST_SAMPLES or seconds >= LONG_WINDOW_SECONDS):
            self._adapt(self._seconds / self._samples)
            self._window_began = now
            self._peak, self._samples, self._seconds = self.taken, 0, 0.0

    def _adapt(self, seconds: float) -> None:
        if not self._alone_seconds or seconds < self._alone_seconds:
            self._alone_seconds = seconds
        elif self._peak <= LEAST_PLACES:
            self._alone_seconds += LEARNING * (seconds - self._alone_seconds)
        change = max(self._all.good_seconds, PATIENCE * self._alone_seconds) / seconds
        floor = min(FEW_PLACES if seconds < BAD_SECONDS else LEAST_PLACES, self._all.most)
        if change < 1 and self.limit > floor:
            self.limit = max(floor, min(self.limit, self._peak) * max(change, LARGEST_CUT))
        elif self._peak >= self.limit - 1 and (change > 1 or self.limit < floor):
            growth = LARGEST_GROWTH if self.limit < floor else min(change, LARGEST_GROWTH)
            self.limit = min(self._all.most, max(self.limit + 1, self.limit * growth))
