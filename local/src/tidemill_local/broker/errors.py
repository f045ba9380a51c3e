"""What can go wrong in the broker, free of gRPC; `rpc.STATUS_BY_ERROR` maps each type to a status."""

from collections.abc import Mapping


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
    """Some ack ids were refused by a subscription with exactly-once delivery.

    `reasons` maps each refused ack id to the reason Cloud Pub/Sub gives for it; the other ids of the
    same request were applied.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(
            "Some acknowledgement ids in the request were invalid. This could be because they expired."
        )
        self.reasons = reasons


class StorageError(BrokerError):
    """The broker's file cannot be opened, is in use, or does not hold a broker's data."""
