"""Ends what waits too long, with one timer for all: one for each request would cost as much as its JSON."""

import asyncio
from typing import Any


class Expiry:
    """Futures and their deadlines, of the loop's clock: at its deadline one fails with TimeoutError."""

    def __init__(self) -> None:
        self._deadlines: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def add(self, future: asyncio.Future[Any], deadline: float) -> None:
        """Watch a future, until it is discarded."""
        self._deadlines[future] = deadline
        if deadline < self._next:
            self._wake_at(deadline)

    def discard(self, future: asyncio.Future[Any]) -> None:
        """Watch a future no longer."""
        self._deadlines.pop(future, None)

    def close(self) -> None:
        """Watch nothing any longer."""
        self._deadlines.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = float("inf")
        for future, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[future]
                if not future.done():
                    future.set_exception(TimeoutError())
        if self._deadlines:
            self._wake_at(min(self._deadlines.values()))
