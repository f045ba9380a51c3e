"""When a version is to be spared requests: too many of its last ones failed."""

WINDOW = 20
PROBES = 10

_MASK = 2**WINDOW - 1


class Breaker:
    """Remembers how a version's last requests ended.

    While too many of them failed, only every tenth request goes to it: it shows when the version has
    recovered, and gives serving what it judges by.
    """

    def __init__(self, most_failures: int) -> None:
        self._most_failures = most_failures
        self._failures = 0
        self._turn = 0

    def diverts(self) -> bool:
        """Say whether the next request should go elsewhere."""
        if self._failures.bit_count() <= self._most_failures:
            return False
        self._turn = (self._turn + 1) % PROBES
        return self._turn != 0

    def record(self, *, failed: bool) -> None:
        """Take note of how a request ended."""
        self._failures = (self._failures << 1 | failed) & _MASK
