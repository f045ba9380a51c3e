"""Frames of HTTP/2 (RFC 9113): their heads, kinds and errors."""

import struct
from collections.abc import Mapping
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Length in 8 and 16 bits, kind, flags, stream.
HEAD = struct.Struct(">BHBBL")
HEAD_BYTES = 9
_SETTING = struct.Struct(">HL")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

DEFAULT_WINDOW = 65_535
MAX_WINDOW = 2**31 - 1
LEAST_MAX_FRAME = 16_384


class Setting(IntEnum):
    """What a peer tells of itself; others are passed over."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Fault(Exception):
    """The peer broke the protocol: the connection ends; or one stream alone, where `stream` is not 0."""

    def __init__(self, code: ErrorCode, reason: str, stream: int = 0) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code
        self.reason = reason
        self.stream = stream


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a whole frame."""
    return head(kind, flags, stream, len(payload)) + payload


def head(kind: int, flags: int, stream: int, size: int) -> bytes:
    """Return what stands before a payload of `size` bytes."""
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream)


def settings(values: Mapping[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values.items()))


def read_settings(payload: bytes) -> dict[int, int]:
    """Return what a SETTINGS frame says in the end; raises Fault when values are not allowed."""
    if len(payload) % _SETTING.size:
        raise Fault(ErrorCode.FRAME_SIZE_ERROR, f"expected settings of 6 bytes each, received {len(payload)}")
    values = dict(_SETTING.iter_unpack(payload))
    for key, value in values.items():
        if key == Setting.ENABLE_PUSH and value > 1:
            raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected ENABLE_PUSH to be 0 or 1, received {value}")
        if key == Setting.INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Fault(ErrorCode.FLOW_CONTROL_ERROR, f"expected a window below 2**31, received {value}")
        if key == Setting.MAX_FRAME_SIZE and not LEAST_MAX_FRAME <= value < 2**24:
            raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected a frame size of HTTP/2, received {value}")
    return values


def number(payload: bytes, kind: str) -> int:
    """Return the number that is a frame's whole payload."""
    if len(payload) != 4:
        raise Fault(ErrorCode.FRAME_SIZE_ERROR, f"expected 4 bytes of {kind}, received {len(payload)}")
    return int.from_bytes(payload, "big")


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """Return a frame that ends a stream."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def window_update(stream: int, size: int) -> bytes:
    """Return a frame that allows more bytes."""
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def goaway(last_stream: int, code: ErrorCode, reason: str = "") -> bytes:
    """Return a frame that announces the end of the connection."""
    return frame(GOAWAY, 0, 0, struct.pack(">LL", last_stream, code) + reason.encode()[:200])


def without_padding(flags: int, payload: bytes) -> bytes:
    """Return what a DATA or HEADERS frame carries."""
    begin, end = 0, len(payload)
    if flags & PADDED:
        begin, end = 1, end - (payload[0] if payload else 0)
    if begin > end:
        raise Fault(ErrorCode.PROTOCOL_ERROR, "expected less padding than payload")
    return payload[begin:end]
