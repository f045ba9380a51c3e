"""The values the delivery state machines pass around; no behaviour beyond counting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

Clock = Callable[[], float]
"""Seconds since the epoch that never go back while the process lives."""


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How one subscription delivers; the part of its configuration the state machine reads."""

    ack_deadline_seconds: float = 10.0
    ordered: bool = False
    exactly_once: bool = False
    max_delivery_attempts: int | None = None
    minimum_backoff_seconds: float = 0.0
    maximum_backoff_seconds: float = 0.0

    def backoff_seconds(self, failures: int) -> float:
        """The pause before a message that failed `failures` times is sent again; 0 without a retry policy."""
        doubled = self.minimum_backoff_seconds * 2.0 ** min(failures - 1, 32)
        return min(self.maximum_backoff_seconds, doubled)


@dataclass(slots=True, eq=False)
class Message:
    """A stored message, shared by every subscription that still has to settle it.

    `seq` is the publish time in microseconds, made strictly increasing: it is the message id, and the
    order. `holders` counts the subscriptions that have not settled the message.
    """

    seq: int
    size_bytes: int
    ordering_key: str
    holders: int = 0


@dataclass(slots=True, eq=False)
class Consumer:
    """One receiver: a stream with its flow control, or a single pull. Limits of 0 or less mean none."""

    ack_deadline_seconds: float
    max_messages: int = 0
    max_bytes: int = 0
    client_id: str = ""
    outstanding_messages: int = 0
    outstanding_bytes: int = 0

    def has_room(self) -> bool:
        """Whether flow control allows one more message."""
        return not (
            0 < self.max_messages <= self.outstanding_messages or 0 < self.max_bytes <= self.outstanding_bytes
        )


@dataclass(slots=True, eq=False)
class Lease:
    """A message out with a consumer until `expires_at`."""

    lease_id: int
    consumer: Consumer
    expires_at: float


@dataclass(slots=True, eq=False)
class Pending:
    """A message one subscription has not settled; `failures` of its deliveries ended without an ack."""

    message: Message
    failures: int = 0
    lease: Lease | None = None


class Delivery(NamedTuple):
    """A message handed to a consumer; `attempt` is 0 where the subscription has no dead-letter policy."""

    seq: int
    lease_id: int
    attempt: int
