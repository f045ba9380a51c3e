"""What the transform service refuses."""

from tidemill_contracts.events import Reason


class Unfit(Exception):
    """A window of spans cannot be trained on; `reasons` says all that is wrong with it."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("; ".join(f"{reason.code}: {reason.message}" for reason in reasons))
        self.reasons = reasons


class RowsLost(RuntimeError):
    """Rows that went into a stage did not come out of it: nothing may be committed."""
