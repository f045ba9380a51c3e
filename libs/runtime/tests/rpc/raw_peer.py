"""A peer that speaks HTTP/2 frame by frame, as it should or not."""

import asyncio

from hpack import Decoder

from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.header_blocks import field
from tidemill_runtime.rpc.messages import framed


class RawPeer:
    """The other side of a connection, which sends what it likes and sees the frames that come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.decoder = Decoder()

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def frame(self) -> tuple[int, int, int, bytes]:
        """Return kind, flags, stream and payload; raises IncompleteReadError at the end."""
        high, low, kind, flags, stream = frames.HEAD.unpack(await self.reader.readexactly(9))
        return kind, flags, stream, await self.reader.readexactly(high << 16 | low)

    async def until(self, kind: int, stream: int | None = None) -> tuple[int, int, int, bytes]:
        async with asyncio.timeout(20):
            while (seen := await self.frame())[0] != kind or stream not in (None, seen[2]):
                pass
        return seen

    async def headers(self, stream: int) -> dict[bytes, bytes]:
        """Return the next headers of a stream."""
        return dict(self.decoder.decode((await self.until(frames.HEADERS, stream))[3], raw=True))

    async def goaway_code(self) -> int:
        return int.from_bytes((await self.until(frames.GOAWAY))[3][4:8], "big")

    async def is_hung_up(self) -> bool:
        async with asyncio.timeout(20):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True


class SilentTransport:
    """Takes what is written, and sends it nowhere."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        self.is_aborted = True

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is buffered."""


def block(method: bytes) -> bytes:
    """Return the headers of a request."""
    return b"".join(
        [
            b"\x83\x86",
            field(b":path", b"/test.Echo/" + method),
            field(b":authority", b"test"),
            field(b"te", b"trailers"),
            field(b"content-type", b"application/grpc"),
        ]
    )


REQUEST = block(b"echo")


def request(stream: int, message: bytes = b"hello", block: bytes = REQUEST) -> bytes:
    """Return the frames of a request."""
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, block) + frames.frame(
        frames.DATA, frames.END_STREAM, stream, framed(message)
    )


GREETING = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)
