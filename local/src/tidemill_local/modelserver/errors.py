"""Failures as TensorFlow Serving reports them: a canonical code and a message."""

from typing import Any

import grpc

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """A request or a load that failed for a reason the client may know."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> StatusError:
    """The request itself is wrong; it stays wrong however often it is sent."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def from_tensorflow(error: Any) -> StatusError:
    """Translate a tf.errors.OpError: TensorFlow's codes are gRPC's, number by number."""
    return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
