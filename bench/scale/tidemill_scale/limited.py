"""A bucket that is as slow, and as strict about one object, as Cloud Storage is said to be.

Writes to one name less than a second apart are refused with 429; the official client then waits and tries
again, as `google.cloud.storage.retry.DEFAULT_RETRY` does. Latencies are guesses. Time may pass faster than it
does: `pace` 10 makes a second last a tenth.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from tidemill_scale.counting import CountingStore
from tidemill_scale.guessed import LIST_PAGE_SECONDS, READ_SECONDS, WRITE_SECONDS
from tidemill_scale.limits import OBJECT_WRITES

FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS = 1.0, 60.0


@dataclass
class LimitedStore(CountingStore):
    """Counts as its parent does; `refusals` are replies of 429. For several threads."""

    pace: float = 10.0
    refusals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: dict[str, float] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        self._pass(READ_SECONDS)
        return super().read(name)

    def list(self, prefix: str) -> "list[str]":
        names = super().list(prefix)
        self._pass(LIST_PAGE_SECONDS * max(1, -(-len(names) // 1000)))
        return names

    def create(self, name: str, data: bytes) -> bool:
        backoff_seconds = FIRST_BACKOFF_SECONDS
        self._pass(WRITE_SECONDS)
        while not self._may_write(name):
            self._pass(min(random.uniform(0, 2 * backoff_seconds), MOST_BACKOFF_SECONDS))  # noqa: S311
            backoff_seconds *= 2
            self._pass(WRITE_SECONDS)
        return super().create(name, data)

    def _may_write(self, name: str) -> bool:
        with self._lock:
            now = time.monotonic() * self.pace
            if now - self._last.get(name, -1e9) < 1 / OBJECT_WRITES.most:
                self.refusals += 1
                return False
            self._last[name] = now
            return True

    def _pass(self, seconds: float) -> None:
        time.sleep(seconds / self.pace)
