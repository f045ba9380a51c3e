"""The one way a request is refused: a canonical code and a sentence. Transports map the code."""

from enum import StrEnum

MAX_MESSAGE_BYTES = 1024


class Code(StrEnum):
    """The canonical codes of gRPC and TensorFlow, by their names."""

    OK = "OK"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"


# What is the fault of whoever was asked. The other codes may be the caller's.
FAULTS = frozenset(
    {
        Code.ABORTED,
        Code.CANCELLED,
        Code.DATA_LOSS,
        Code.DEADLINE_EXCEEDED,
        Code.INTERNAL,
        Code.UNAVAILABLE,
        Code.UNKNOWN,
    }
)


class Refused(Exception):
    """The request has no answer; `message` is for the caller.

    `retry_after_seconds` says when asking again may help, None where it would not or nobody knows.
    `reason` is for programs, where the code does not say enough: a few words with hyphens.
    """

    def __init__(
        self, code: Code, message: str, retry_after_seconds: float | None = None, reason: str = ""
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason


def invalid(message: str) -> Refused:
    """Make the refusal of a request that is wrong in itself."""
    return Refused(Code.INVALID_ARGUMENT, message)


def late(model: str) -> Refused:
    """Make the refusal of a request for which there is no more time."""
    return Refused(Code.DEADLINE_EXCEEDED, f"Model server of {model} did not answer in time")


def truncated(message: str) -> str:
    """Cut another server's message to the length TensorFlow Serving sends over gRPC."""
    encoded = message.encode(errors="replace")
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return message
    return encoded[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "...TRUNCATED"
