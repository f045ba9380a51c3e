"""What can go wrong in the broker, free of gRPC; `rpc.STATUS_BY_ERROR` maps each type to a status."""

from collections.abc import Mapping

NOT_APPLIED = "TRANSIENT_FAILURE_NOT_APPLIED"
"""Nothing is wrong with the ack id, but others in its request were; clients try again."""


class BrokerError(Exception):
    """A request the broker refuses, with a message fit for the caller."""


class NotFoundError(BrokerError):
    """The named resource does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Resource not found (resource={name.rpartition('/')[2]}).")


class AlreadyExistsError(BrokerError):
    """The named resource exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Resource already exists in the project (resource={name.rpartition('/')[2]}).")


class InvalidArgumentError(BrokerError):
    """The request breaks a rule of the API, whatever the state of the broker."""


class FailedPreconditionError(BrokerError):
    """The request is well-formed but the state of a resource forbids it."""


class UnsupportedError(BrokerError):
    """A feature of Cloud Pub/Sub that this broker does not have and will not pretend to have."""

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} is not supported by the embedded broker; use Cloud Pub/Sub for it.")


class UnavailableError(BrokerError):
    """Try again: nothing was recorded."""


class AckIdError(BrokerError):
    """A subscription with exactly-once delivery refused ack ids, and applied none of the request.

    `reasons` maps every ack id of the request to the reason Cloud Pub/Sub gives for it, or to `NOT_APPLIED`.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("Some acknowledgement ids in the request were invalid: they may have expired.")
        self.reasons = reasons


class StorageError(BrokerError):
    """The broker's file cannot be opened, is in use, or does not hold a broker's data."""


class ListenError(BrokerError):
    """An address cannot be bound."""
