"""Request bodies: as they arrive, unpacked, and bounded."""

import asyncio
import zlib
from collections.abc import Callable, Mapping

from tidemill_gateway.errors import Code, Refused, invalid

# Bodies up to this are not counted: there cannot be more of them than connections.
SMALL_BYTES = 65_536

_IDENTITY = b"identity"
_WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


class BodyTooLarge(Refused):
    """The body is larger than this gateway reads."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED, f"Expecting a body of at most {limit_bytes} bytes but got more"
        )


class UnknownEncoding(Refused):
    """The body is packed in a way that is not known here."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, message)


class BodyMemory:
    """What all large bodies in hand may take together."""

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes


class ArrivingBody:
    """A body that comes in parts, up to a limit. `is_whole` once nothing more will come.

    `on_first_wait` is called when somebody waits for a body that is not here yet. `release` it at the end.
    """

    def __init__(self, limit_bytes: int, memory: BodyMemory) -> None:
        self.is_whole = False
        self.on_first_wait: Callable[[], None] | None = None
        self._limit_bytes = limit_bytes
        self._memory = memory
        self._reserved_bytes = 0
        self._body: bytes | bytearray = b""
        self._refusal: Refused | None = None
        self._waiting: asyncio.Future[None] | None = None

    def add(self, chunk: bytes) -> None:
        """Take the next part."""
        if self._refusal is not None:
            return
        size_bytes = len(self._body) + len(chunk)
        if size_bytes > self._limit_bytes:
            self.fail(BodyTooLarge(self._limit_bytes))
        elif size_bytes > SMALL_BYTES and not self._reserve(size_bytes):
            self.fail(_no_room())
        elif not self._body:
            self._body = chunk
        else:
            # Not a list: of parts of a few bytes each, it would take many times their size.
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += chunk

    def end(self) -> None:
        """Note that it is complete."""
        self.is_whole = True
        self._wake()

    def fail(self, refusal: Refused) -> None:
        """Let who reads it know that it will not come."""
        self._refusal = refusal
        self._body = b""
        self._wake()

    async def read(self) -> bytes:
        """Return all of it, waiting if need be; raises Refused."""
        if not self.is_whole and self._refusal is None:
            if self.on_first_wait is not None:
                self.on_first_wait()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self._refusal is not None:
            raise self._refusal
        return bytes(self._body)

    def hold(self, size_bytes: int) -> None:
        """Count what the body was unpacked to; raises Refused when there is no room for it."""
        if size_bytes > max(SMALL_BYTES, self._reserved_bytes) and not self._reserve(size_bytes):
            raise _no_room()

    def release(self) -> None:
        """Let others have the memory."""
        self._memory.free_bytes += self._reserved_bytes
        self._reserved_bytes = 0

    def _reserve(self, size_bytes: int) -> bool:
        more_bytes = size_bytes - self._reserved_bytes
        if more_bytes > self._memory.free_bytes:
            return False
        self._memory.free_bytes -= more_bytes
        self._reserved_bytes = size_bytes
        return True

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _no_room() -> Refused:
    return Refused(Code.UNAVAILABLE, "Too many large bodies at once", 1, "overloaded")


def unpacked(body: bytes, headers: Mapping[bytes, bytes], limit_bytes: int) -> bytes:
    """Return the body, decompressed where it is gzip or deflate; raises Refused once it exceeds the limit."""
    encoding = headers.get(b"content-encoding", _IDENTITY).lower()
    if encoding == _IDENTITY:
        return body
    if encoding not in _WINDOWS:
        text = encoding.decode("latin-1")
        raise UnknownEncoding(f"Expecting Content-Encoding gzip, deflate or identity but got: {text}")
    return _inflated(body, encoding.decode(), limit_bytes)


def _inflated(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(_WINDOWS[encoding.encode()])
    try:
        unpacked = unpacking.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise invalid(f"Expecting a {encoding} body but got: {error}") from error
    if len(unpacked) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    if not unpacking.eof:
        raise invalid(f"Expecting a complete {encoding} body but it ends early")
    if unpacking.unused_data:
        # Not the next member: of many small ones each would cost as much as all.
        raise invalid(f"Expecting a {encoding} body of one member but more follows")
    return unpacked
