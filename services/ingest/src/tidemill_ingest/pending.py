"""How much is waiting, so that more is refused before anything breaks."""

import threading
from collections import Counter
from collections.abc import Mapping

from tidemill_ingest import metrics
from tidemill_ingest.errors import Refused

RETRY_AFTER_SECONDS = 2


class Overloaded(Refused):
    """More waits than can be taken; the same request may be sent again later."""

    def __init__(self, message: str) -> None:
        super().__init__("overloaded", message)
        self.retry_after_seconds = RETRY_AFTER_SECONDS


class Pending:
    """Bytes of records by pipeline that are stored and in no drop yet, as far as this process knows."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes: Counter[str] = Counter()

    def check(self, pipeline: str) -> None:
        """Raise Overloaded when a pipeline has enough waiting."""
        if self._bytes[pipeline] >= self._max_bytes:
            raise Overloaded(
                f"expected less than {self._max_bytes} bytes of records waiting to be landed, "
                f"there are {self._bytes[pipeline]}"
            )

    def add(self, pipeline: str, size_bytes: int) -> None:
        """Count what was stored just now."""
        with self._lock:
            self._bytes[pipeline] += size_bytes

    def replace(self, found: Mapping[str, int]) -> None:
        """Forget the estimate: this is what the bucket holds."""
        with self._lock:
            self._bytes = Counter(found)
        metrics.PENDING.set(sum(found.values()))
