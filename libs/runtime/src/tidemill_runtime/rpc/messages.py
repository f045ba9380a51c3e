"""Messages of gRPC: five bytes say whether what follows is packed, and how long it is."""

import struct
import zlib

import grpc

from tidemill_runtime.rpc.statuses import RpcError

_PREFIX = struct.Struct(">BL")
IDENTITY = b"identity"
ENCODINGS = (IDENTITY, b"deflate", b"gzip")
# Both formats are told apart by their first bytes.
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS


def framed(message: bytes) -> bytes:
    """Return a message as it is sent; raises RpcError when it is too long."""
    if len(message) >= 2**32:
        raise RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"expected < 4 GiB, received {len(message)} bytes")
    return _PREFIX.pack(0, len(message)) + message


def unframed(data: bytes | bytearray, encoding: bytes, max_bytes: int) -> bytes:
    """Return the one message in what was received.

    `encoding` is what the headers said of packed messages. Raises RpcError when there is not one whole
    message, or it cannot be unpacked.
    """
    if len(data) < _PREFIX.size:
        raise RpcError(grpc.StatusCode.INTERNAL, f"expected a message, received {len(data)} bytes")
    packed, size = _PREFIX.unpack_from(data)
    if size != len(data) - _PREFIX.size:
        raise RpcError(
            grpc.StatusCode.INTERNAL,
            f"expected one message of {size} bytes, received {len(data) - _PREFIX.size}",
        )
    message = bytes(memoryview(data)[_PREFIX.size :])
    return _unpacked(message, encoding, max_bytes) if packed else message


def _unpacked(packed: bytes, encoding: bytes, max_bytes: int) -> bytes:
    if encoding == IDENTITY or encoding not in ENCODINGS:
        known = b", ".join(ENCODINGS).decode()
        text = f"expected messages packed with one of {known}, received {encoding[:40]!r}"
        code = grpc.StatusCode.INTERNAL if encoding == IDENTITY else grpc.StatusCode.UNIMPLEMENTED
        raise RpcError(code, text)
    unpacking = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        message = unpacking.decompress(packed, max_bytes)
    except zlib.error as error:
        raise RpcError(grpc.StatusCode.INTERNAL, f"expected a message in {encoding!r}: {error}") from error
    if unpacking.unconsumed_tail:
        raise RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"expected at most {max_bytes} bytes unpacked")
    if not unpacking.eof:
        raise RpcError(grpc.StatusCode.INTERNAL, "expected a whole packed message, received a part")
    return message
