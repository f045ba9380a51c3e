"""Events out while Pub/Sub may be away: one look waits for it once."""

from collections.abc import Callable
from dataclasses import dataclass

from tidemill_contracts.event import EventData
from tidemill_runtime.telling import Cause


class NotTried(Exception):
    """An event was not told, since the one before it was not."""


@dataclass
class LookTeller:
    """Tells events until one is not taken, which takes its whole deadline; raises at once from then on."""

    tell: Callable[[EventData, Cause], None]
    failure: Exception | None = None

    def begin(self) -> None:
        """Try again from now on."""
        self.failure = None

    def __call__(self, data: EventData, cause: Cause) -> None:
        if self.failure is not None:
            raise NotTried(f"expected Pub/Sub to take events, it did not: {self.failure!r}") from self.failure
        try:
            self.tell(data, cause)
        except Exception as error:
            self.failure = error
            raise
