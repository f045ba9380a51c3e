"""When a file counts as complete, judged from the outside.

Nobody tells when a writer is done. A file that was renamed into place is complete; one that is written in
place is taken as complete once it stayed the same for a while. A writer that pauses for longer than that in
the middle of a file is announced half-way, and again when it goes on: stage such files elsewhere, or under a
name that starts with a dot, and rename them.
"""

from collections.abc import Mapping

from tidemill_local.bucket.scanning import Stamp


class Settling:
    """Follows files from scan to scan until they stop changing."""

    def __init__(self, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def complete(self, pending: Mapping[str, Stamp], now_seconds: float) -> list[str]:
        """Name the pending files that are complete; what is no longer pending is forgotten.

        Args:
            pending: Every file not announced yet, as the scan just found it.
            now_seconds: Monotonic time of that scan.
        """
        before = self._seen
        self._seen = {}
        for name, stamp in pending.items():
            known = before.get(name)
            since = known[1] if known and known[0] == stamp else now_seconds
            self._seen[name] = (stamp, since)
        return [
            name for name, (stamp, since) in self._seen.items() if self._is_still(stamp, now_seconds - since)
        ]

    def restart(self, name: str) -> None:
        """Wait for a file anew: it turned out not to be readable as it was seen."""
        self._seen.pop(name, None)

    def _is_still(self, stamp: Stamp, unchanged_seconds: float) -> bool:
        return unchanged_seconds >= self._settle_seconds or (stamp.is_finished and unchanged_seconds > 0)
