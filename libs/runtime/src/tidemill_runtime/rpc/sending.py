"""What goes out on a connection: a whole message at once where the peer's windows allow it, else in turn."""

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.frames import ErrorCode, Fault, head


class Stream:
    """One call: what came of it so far, and what is still to be sent.

    `window` is what the peer takes at present. `ending` is due after `unsent`: None while there may be more
    messages, empty where the last DATA frame itself is the end.
    """

    __slots__ = ("content", "ending", "has_ended", "id", "unsent", "window")

    def __init__(self, number: int, window: int) -> None:
        self.id = number
        self.window = window
        self.content: bytes | bytearray = b""
        self.has_ended = False
        self.unsent = memoryview(b"")
        self.ending: bytes | None = None

    def take(self, payload: bytes) -> None:
        """Keep what came: one part as it is, several in one piece of memory."""
        if not self.content:
            self.content = payload
            return
        if isinstance(self.content, bytes):
            self.content = bytearray(self.content)
        self.content += payload


AnyStream = TypeVar("AnyStream", bound=Stream)


class Sender(ABC, Generic[AnyStream]):
    """Streams of a connection, and what the peer allows for them."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.streams: dict[int, AnyStream] = {}
        self.is_closing = False
        self.first_window = frames.DEFAULT_WINDOW
        self.max_frame_bytes = frames.LEAST_MAX_FRAME
        self._window = frames.DEFAULT_WINDOW
        # Those that wait for the connection's window; others wait for their own.
        self._blocked: dict[int, AnyStream] = {}

    @abstractmethod
    def on_sent(self, stream: AnyStream) -> None:
        """Take note that all of a stream is written, the end included."""

    def write(self, data: bytes) -> None:
        """Write frames, unless nobody is there any more."""
        if not self.is_closing:
            self.transport.write(data)

    def send(self, stream: AnyStream, begin: bytes, message: bytes, ending: bytes | None) -> None:
        """Write frames, a message in DATA frames, and what ends the stream, as soon as the windows allow."""
        size = len(message)
        if not 0 < size <= min(self._window, stream.window, self.max_frame_bytes) or stream.unsent:
            self.write(begin)
            stream.unsent = memoryview(bytes(stream.unsent) + message if stream.unsent else message)
            stream.ending = ending
            self._send_unsent(stream)
            return
        self._window -= size
        stream.window -= size
        data = head(frames.DATA, frames.END_STREAM if ending == b"" else 0, stream.id, size)
        self.write(b"".join((begin, data, message, ending or b"")))
        if ending is not None:
            self.on_sent(stream)

    def forget(self, stream: AnyStream) -> None:
        """Drop a stream that has ended."""
        self.streams.pop(stream.id, None)
        self._blocked.pop(stream.id, None)

    def allow(self, size: int) -> None:
        """Send so much more on the whole connection; raises Fault."""
        self._window = _grown(self._window, size)
        for stream in list(self._blocked.values()):
            if not self._window:
                break
            self._send_unsent(stream)

    def allow_stream(self, stream: AnyStream, size: int) -> None:
        """Send so much more on a stream; raises Fault."""
        stream.window = _grown(stream.window, size, stream.id)
        if stream.unsent:
            self._send_unsent(stream)

    def begin_with(self, window: int) -> None:
        """Take what streams begin with, and those that have begun are given or lose; raises Fault."""
        change = window - self.first_window
        self.first_window = window
        for stream in list(self.streams.values()):
            stream.window = _grown(stream.window, change)
            if stream.unsent:
                self._send_unsent(stream)

    def _send_unsent(self, stream: AnyStream) -> None:
        unsent, pieces = stream.unsent, list[bytes | memoryview]()
        while unsent and (size := min(len(unsent), self.max_frame_bytes, self._window, stream.window)) > 0:
            self._window -= size
            stream.window -= size
            is_last = stream.ending == b"" and size == len(unsent)
            pieces += (head(frames.DATA, frames.END_STREAM * is_last, stream.id, size), unsent[:size])
            unsent = unsent[size:]
        stream.unsent = unsent
        self._blocked.pop(stream.id, None)
        if unsent:
            self.write(b"".join(pieces))
            if stream.window > 0:
                self._blocked[stream.id] = stream
            return
        self.write(b"".join((*pieces, stream.ending or b"")))
        if stream.ending is not None:
            self.on_sent(stream)


def _grown(window: int, size: int, stream: int = 0) -> int:
    if window + size > frames.MAX_WINDOW:
        raise Fault(ErrorCode.FLOW_CONTROL_ERROR, "expected a window below 2**31", stream)
    return window + size
