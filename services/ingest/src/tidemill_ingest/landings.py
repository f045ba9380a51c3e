"""Landings: the objects that decide which waiting records become one drop.

A landing is created once, under the next number. Nobody creates one before the one before it is finished,
so at any time at most the newest is not.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

# A bucket's client that lost the answer writes again, for two minutes at most: a deleted segment may return.
GHOST_SECONDS = 600


class Landing(BaseModel):
    """What becomes one drop: `segments` in order, but for the requests with the indexes `left_out`.

    `decided_at` is in seconds since 1970.
    """

    number: int
    decided_at: float
    segments: tuple[str, ...]
    left_out: Mapping[str, tuple[int, ...]]


class Landings:
    """The landings of one pipeline, as far as this process has followed them."""

    def __init__(self, store: ObjectStore, pipeline: str) -> None:
        self._store = store
        self._pipeline = pipeline
        self._finished: int | None = None
        self._recent: deque[Landing] = deque()

    def unfinished(self) -> Iterator[Landing]:
        """Yield landings that may need finishing, in order; call `finished` before asking for the next."""
        if self._finished is None:
            self._finished = self._start()
        while (landing := self._read(self._finished + 1)) is not None:
            yield landing

    def finished(self, landing: Landing) -> None:
        """Note that all that a landing decides is done."""
        self._finished = landing.number
        self._recent.append(landing)

    @property
    def next_number(self) -> int:
        """The number of the next landing, once all those before are finished."""
        return (self._finished or 0) + 1

    def decide(self, landing: Landing) -> bool:
        """Create the landing; False when another process has created one of its number."""
        name = layout.record_landing(self._pipeline, landing.number)
        return self._store.create(name, landing.model_dump_json().encode())

    def recent_segments(self) -> set[str]:
        """Name the segments that were landed lately: one that is seen again came back to life."""
        while self._recent and time.time() - self._recent[0].decided_at > GHOST_SECONDS:
            self._recent.popleft()
        return {name for landing in self._recent for name in landing.segments}

    def _start(self) -> int:
        """Return the number before the newest; note those that were decided lately."""
        folder = layout.record_landing(self._pipeline, 0).rpartition("/")[0] + "/"
        names = self._store.list(folder)
        newest = int(names[-1].removeprefix(folder).partition(".")[0]) if names else 1
        for number in range(newest - 1, 0, -1):
            landing = self._read(number)
            if landing is None or time.time() - landing.decided_at > GHOST_SECONDS:
                break
            self._recent.appendleft(landing)
        return newest - 1

    def _read(self, number: int) -> Landing | None:
        try:
            return Landing.model_validate_json(
                self._store.read(layout.record_landing(self._pipeline, number))
            )
        except ObjectNotFound:
            return None
