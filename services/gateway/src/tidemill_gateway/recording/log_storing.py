"""Files of the prediction log on their way to the bucket, bounded in bytes, each row counted once."""

import asyncio
import gzip
import threading

from tidemill_gateway.metrics import LOG_ROWS
from tidemill_gateway.recording.bucket import Bucket, Threads
from tidemill_runtime.logs import get_logger

RETRY_SECONDS = (1.0, 30.0)


class LogStoring:
    """Stores one file after another; one that cannot be stored is tried again until the process ends."""

    def __init__(self, bucket: Bucket, max_bytes: int) -> None:
        """Prepare to hold `max_bytes` of lines at most, those that are not in a file yet included."""
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._threads = Threads("prediction-log", 1)
        self._lock = threading.Lock()
        self._held_bytes = 0
        self._held_rows = 0
        self._stopping = threading.Event()

    def reserve(self, size_bytes: int) -> bool:
        """Make room for a line; False when there is none."""
        with self._lock:
            if self._held_bytes + size_bytes > self._max_bytes:
                return False
            self._held_bytes += size_bytes
        return True

    def dropped(self, rows: int) -> None:
        """Count rows that will not be stored."""
        LOG_ROWS.labels("dropped").inc(rows)

    def store(self, name: str, content: bytearray, rows: int) -> None:
        """Store a file of so many rows soon; its lines have been made room for."""
        with self._lock:
            self._held_rows += rows
        self._threads.submit(lambda: self._store(name, content, rows))

    async def close(self, timeout_seconds: float) -> None:
        """Wait until all is stored; what is not in time, or fails now, counts as dropped."""
        self._stopping.set()
        try:
            last = asyncio.wrap_future(self._threads.submit(lambda: None))
            await asyncio.wait_for(last, timeout_seconds)
        except TimeoutError:
            get_logger().warning("prediction-log-not-stored", rows=self._held_rows)
        with self._lock:
            self.dropped(self._held_rows)
            self._held_rows = 0

    def _store(self, name: str, content: bytearray, rows: int) -> None:
        # The fastest level: logs shrink to a tenth, and packing one must not hold a core for long.
        is_stored = self._try_to_store(name, gzip.compress(content, compresslevel=1))
        with self._lock:
            self._held_bytes -= len(content)
            # None are left of a file that `close` has given up.
            rows = min(rows, self._held_rows)
            self._held_rows -= rows
        LOG_ROWS.labels("logged" if is_stored else "dropped").inc(rows)

    def _try_to_store(self, name: str, content: bytes) -> bool:
        pause_seconds, most = RETRY_SECONDS
        while True:
            try:
                self._bucket.create(name, content)
            except Exception as error:  # noqa: BLE001 - whatever the bucket has, it may be over later
                get_logger().warning("prediction-log-waits", object=name, error=repr(error))
            else:
                return True
            if self._stopping.wait(pause_seconds):
                return False
            pause_seconds = min(2 * pause_seconds, most)
