"""Simulated time, and cores that work in it."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable

Do = Callable[[], None]


class Clock:
    """What is due next is done next; what is due at the same time, in the order in which it was planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Do]] = []
        self._count = itertools.count()

    def after(self, seconds: float, do: Do) -> None:
        """Plan something."""
        heapq.heappush(self._due, (self.now + seconds, next(self._count), do))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._due and self._due[0][0] <= until:
            self.now, _, do = heapq.heappop(self._due)
            do()
        self.now = until


class Cores:
    """Cores that work off one queue, first come, first served. `busy_seconds` adds up what they worked."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.count = count
        self.busy_seconds = 0.0
        self._clock = clock
        self._free = count
        self._queue: deque[tuple[Callable[[], float], Do]] = deque()

    def work(self, begin: Callable[[], float], done: Do) -> None:
        """Have something worked on: when a core begins, `begin` says for how long; then `done` is called."""
        self._queue.append((begin, done))
        self._start()

    def _start(self) -> None:
        while self._free and self._queue:
            begin, done = self._queue.popleft()
            self._free -= 1
            seconds = begin()
            self.busy_seconds += seconds
            self._clock.after(seconds, lambda done=done: self._end(done))  # type: ignore[misc]

    def _end(self, done: Do) -> None:
        self._free += 1
        done()
        self._start()
