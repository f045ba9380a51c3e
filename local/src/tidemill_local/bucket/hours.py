"""What gateways write down, by the hour: files come all the time, and only the newest folders gain any."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidemill_local.bucket.scanning import Scanner, Stamp

# As long as Pub/Sub keeps messages: what nobody looked at by then is not announced any more.
KEPT = timedelta(days=7)
RECENT = timedelta(hours=1)
# A file that could not be stored in its own hour is found by then.
COMPLETE_SCAN_SECONDS = 600


class HourScanner:
    """Lists files below `PREFIX<model>/<hour>/`: of the last days now and then, of the last hours always."""

    def __init__(
        self,
        root: Path,
        prefix: str,
        now: Callable[[], float] = time.time,
        *,
        every: float = COMPLETE_SCAN_SECONDS,
    ) -> None:
        """Watch below a prefix; `now` tells seconds since 1970, `every` is in seconds of it."""
        self._root = root
        self._prefix = prefix
        self._now = now
        self._every_seconds = every
        self._completed_at = 0.0
        self._since = ""

    def scan(self) -> dict[str, Stamp]:
        """Return every object's name and stamp in the folders that are looked at this time."""
        now_seconds = self._now()
        is_complete = now_seconds - self._completed_at >= self._every_seconds
        if is_complete:
            self._completed_at = now_seconds
        oldest = datetime.fromtimestamp(now_seconds, UTC) - (KEPT if is_complete else RECENT)
        # Of a complete scan nothing is left out: what is older is to be forgotten.
        self._since = "" if is_complete else oldest.strftime("%Y-%m-%dT%H")
        found: dict[str, Stamp] = {}
        for folder in (self._root / self._prefix).glob("*/*/"):
            if folder.name >= oldest.strftime("%Y-%m-%dT%H"):
                prefix = f"{self._prefix}{folder.parent.name}/{folder.name}/"
                found |= Scanner(self._root, prefix).scan()
        return found

    def covers(self, name: str) -> bool:
        """Say whether the last scan would have found this object, were it there and not too old."""
        return name.startswith(self._prefix) and name.split("/")[2] >= self._since
