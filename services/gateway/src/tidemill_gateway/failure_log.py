"""Which failed requests are worth a line of the log."""

from tidemill_gateway.errors import Code

SILENT_SECONDS = 1.0


class FailureLog:
    """Spares the log what happens to all requests at once; metrics count them."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def takes(self, code: Code, began: float) -> bool:
        """Say whether to tell of a request that began then; of those that found nobody, one a second."""
        if code is not Code.UNAVAILABLE:
            return True
        if began < self._silent_until:
            return False
        self._silent_until = began + SILENT_SECONDS
        return True
