"""How a call of gRPC ended, and how that and its time limit are written in headers."""

import math
import re

import grpc

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_MAX_TIMEOUT_DIGITS = 10**8 - 1
_TO_ESCAPE = re.compile(rb"[^ -$&-~]")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_CODES = {str(code.value[0]).encode(): code for code in grpc.StatusCode}


class RpcError(grpc.RpcError):
    """A call that failed; `code` and `details` are methods, as of every client of gRPC."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        """Return the status."""
        return self._code

    def details(self) -> str:
        """Return what the server, or this client, said of it."""
        return self._details


def code_of(number: bytes) -> grpc.StatusCode:
    """Return the code that `grpc-status` says; UNKNOWN for one that there is not."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def number_of(code: grpc.StatusCode) -> bytes:
    """Return what `grpc-status` says."""
    return b"%d" % code.value[0]


def escaped(message: str) -> bytes:
    """Return a text as `grpc-message` carries it."""
    return _TO_ESCAPE.sub(lambda match: b"%%%02X" % match[0][0], message.encode(errors="replace"))


def unescaped(message: bytes) -> str:
    """Return the text of a `grpc-message`; what is no escape stays as it is."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), message).decode(errors="replace")


def timeout_text(seconds: float) -> bytes:
    """Return a time limit, not 0, as `grpc-timeout` carries it: rounded up to milliseconds."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds <= _MAX_TIMEOUT_DIGITS:
        return b"%dm" % milliseconds
    return b"%dS" % min(math.ceil(seconds), _MAX_TIMEOUT_DIGITS)


def read_timeout(text: bytes) -> float:
    """Return seconds; raises ValueError when the text is no `grpc-timeout`."""
    match = _TIMEOUT.fullmatch(text)
    if match is None:
        raise ValueError(f"expected up to 8 digits and a unit, received {text[:20]!r}")
    return int(match[1]) * _UNITS[match[2]]
