"""Why a model version cannot be deployed."""


class Unservable(Exception):
    """The model server cannot serve this version as it was trained. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ModelServerAway(Exception):
    """The model server does not answer; it may later."""


class ModelServerBusy(ModelServerAway):
    """The model server answers, and is still at what it was told."""


class NothingDeployed(LookupError):
    """There is no model of this name."""


class NotNow(Exception):
    """What a person asks of a release cannot be done as things are."""
