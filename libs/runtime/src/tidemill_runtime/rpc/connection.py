"""One connection of HTTP/2, either side of it: frames in, frames out, and how much may be on its way.

All happens in the loop's turn that brings the bytes: no thread, and one write for what a frame causes. What
is received waits in memory until it is whole, so peers get the largest windows there are.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Generic, cast

from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.frames import ErrorCode, Fault, Setting
from tidemill_runtime.rpc.header_blocks import MAX_LIST_BYTES, Head, HeaderReader, Pairs
from tidemill_runtime.rpc.patience import Patience
from tidemill_runtime.rpc.sending import AnyStream, Sender

MAX_FRAME_BYTES = 2**20
MAX_STREAMS = 4096
GOODBYE_SECONDS = 1.0
_HELLO = frames.settings(
    {
        Setting.HEADER_TABLE_SIZE: 0,
        Setting.ENABLE_PUSH: 0,
        Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        Setting.INITIAL_WINDOW_SIZE: frames.MAX_WINDOW,
        Setting.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
        Setting.MAX_HEADER_LIST_SIZE: MAX_LIST_BYTES,
    }
) + frames.window_update(0, frames.MAX_WINDOW - frames.DEFAULT_WINDOW)


class Connection(Sender[AnyStream], asyncio.Protocol, Generic[AnyStream, Head]):
    """What both sides have in common. Who owns it must call `end` or wait for `on_end`."""

    def __init__(self, preface: bytes, parse: Callable[[Pairs], Head], max_message_bytes: int) -> None:
        super().__init__()
        self.last_stream = 0
        self.max_peer_streams = frames.MAX_WINDOW
        self._preface = preface
        self._reader = HeaderReader(parse)
        self._max_message_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(self._loop.time())
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._needed_bytes = frames.HEAD_BYTES
        self._received_bytes = 0
        self._only: int | None = frames.SETTINGS
        self._block: tuple[int, int, bytearray] | None = None
        self._hanging_up: asyncio.TimerHandle | None = None
        self._takers: dict[int, Callable[[int, int, bytes], None]] = {
            frames.PRIORITY: self._take_priority,
            frames.RST_STREAM: self._take_reset,
            frames.SETTINGS: self._take_settings,
            frames.PUSH_PROMISE: self._take_push_promise,
            frames.PING: self._take_ping,
            frames.GOAWAY: self._take_goaway,
            frames.WINDOW_UPDATE: self._take_window,
            frames.CONTINUATION: self._take_continuation,
        }

    @abstractmethod
    def on_settings(self) -> None:
        """Take note that the peer has told of itself."""

    @abstractmethod
    def on_head(self, number: int, head: Head, *, ended: bool) -> None:
        """Take headers of a stream, new or not; raises Fault."""

    @abstractmethod
    def on_content(self, stream: AnyStream) -> None:
        """Take what the peer has sent: it has ended its side."""

    @abstractmethod
    def on_excess(self, stream: AnyStream) -> None:
        """Take note that more came than a message may have."""

    @abstractmethod
    def on_reset(self, stream: AnyStream, code: int) -> None:
        """Take note that either side gave a stream up; it is none of `streams` any more."""

    @abstractmethod
    def on_goaway(self, last_stream: int) -> None:
        """Take note that the peer begins no streams, and answers none after `last_stream`."""

    @abstractmethod
    def on_end(self, reason: str) -> None:
        """Take note that the connection is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the peer."""
        self.transport = cast(asyncio.Transport, transport)
        self.write(self._preface + _HELLO)

    def connection_lost(self, error: Exception | None) -> None:
        """Give all streams up."""
        if self._hanging_up is not None:
            self._hanging_up.cancel()
        if not self.is_closing:
            self.is_closing = True
            self.on_end(str(error) if error else "connection closed")

    def data_received(self, data: bytes) -> None:
        """Take bytes, however frames are cut into them."""
        if self.is_closing:
            return
        if self._parts:
            self._parts.append(data)
            self._part_bytes += len(data)
            if self._part_bytes < self._needed_bytes:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        try:
            self._take_all(data)
        except Fault as fault:
            self.end(fault.code, fault.reason)

    def end(self, code: ErrorCode, reason: str) -> None:
        """Say goodbye and hang up; what is written is sent if the peer takes it soon."""
        if not self.is_closing:
            self.is_closing = True
            self.transport.write(frames.goaway(self.last_stream, code, reason))
            self.transport.close()
            self._hanging_up = self._loop.call_later(GOODBYE_SECONDS, self.transport.abort)
            self.on_end(reason)

    def give_up(self, stream: AnyStream, code: ErrorCode) -> None:
        """End a stream before its time; nothing more is heard of it."""
        self.forget(stream)
        self.write(frames.rst_stream(stream.id, code))

    def reset(self, number: int, code: ErrorCode) -> None:
        """End a stream because of what the peer sent for it, whether it is there or not."""
        self._patience.spend(self._loop.time())
        self.write(frames.rst_stream(number, code))
        stream = self.streams.get(number)
        if stream is not None:
            self.forget(stream)
            self.on_reset(stream, code)

    def _take_all(self, data: bytes) -> None:
        begin, end = 0, len(data)
        needed = frames.HEAD_BYTES
        while end - begin >= frames.HEAD_BYTES and not self.is_closing:
            high, low, kind, flags, stream = frames.HEAD.unpack_from(data, begin)
            needed = frames.HEAD_BYTES + (high << 16 | low)
            if needed > frames.HEAD_BYTES + MAX_FRAME_BYTES:
                raise Fault(ErrorCode.FRAME_SIZE_ERROR, f"expected at most {MAX_FRAME_BYTES} bytes a frame")
            if end - begin < needed:
                break
            payload = data[begin + frames.HEAD_BYTES : begin + needed]
            begin += needed
            needed = frames.HEAD_BYTES
            try:
                self._take(kind, flags, stream & frames.MAX_WINDOW, payload)
            except Fault as fault:
                if not fault.stream:
                    raise
                self.reset(fault.stream, fault.code)
        if begin < end:
            self._parts.append(data[begin:])
            self._part_bytes = end - begin
            self._needed_bytes = needed

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._only is not None and kind != self._only:
            raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected a frame of kind {self._only}, received {kind}")
        if kind == frames.DATA:
            self._take_data(flags, number, payload)
        elif kind == frames.HEADERS:
            self._take_headers(flags, number, payload)
        elif kind in self._takers:
            self._takers[kind](flags, number, payload)

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        self._received_bytes += len(payload)
        if self._received_bytes > frames.MAX_WINDOW // 2:
            self.write(frames.window_update(0, self._received_bytes))
            self._received_bytes = 0
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        stream = self._known(number)
        if stream is None or stream.has_ended:
            raise Fault(ErrorCode.STREAM_CLOSED, "expected no more of a stream that has ended", number)
        stream.take(payload)
        if len(stream.content) > self._max_message_bytes:
            self.on_excess(stream)
        elif flags & frames.END_STREAM:
            stream.has_ended = True
            self.on_content(stream)

    def _take_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected headers of a stream, received some of none")
        if flags & (frames.PADDED | frames.HAS_PRIORITY):
            payload = frames.without_padding(flags, payload)
            if flags & frames.HAS_PRIORITY:
                if len(payload) < 5:
                    raise Fault(ErrorCode.FRAME_SIZE_ERROR, "expected a priority, received less")
                payload = payload[5:]
        if flags & frames.END_HEADERS:
            self.on_head(number, self._reader.read(payload), ended=bool(flags & frames.END_STREAM))
        else:
            self._block = number, flags, bytearray(payload)
            self._only = frames.CONTINUATION

    def _take_continuation(self, flags: int, number: int, payload: bytes) -> None:
        self._patience.spend(self._loop.time())
        if self._block is None or number != self._block[0]:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected a block to go on, received another's part")
        _, first_flags, block = self._block
        block += payload
        if len(block) > MAX_LIST_BYTES:
            raise Fault(ErrorCode.ENHANCE_YOUR_CALM, f"expected at most {MAX_LIST_BYTES} bytes of headers")
        if flags & frames.END_HEADERS:
            self._block, self._only = None, None
            self.on_head(number, self._reader.read(bytes(block)), ended=bool(first_flags & frames.END_STREAM))

    def _take_settings(self, flags: int, number: int, payload: bytes) -> None:
        _expect_whole_connection(number)
        if flags & frames.ACK:
            if payload:
                raise Fault(ErrorCode.FRAME_SIZE_ERROR, "expected an empty acknowledgement")
            self._reader.forbid_table()
            return
        # Another first window is one for each of the streams there are.
        self._patience.spend(self._loop.time(), 1 + len(self.streams) // 10)
        settings = frames.read_settings(payload)
        self.max_peer_streams = settings.get(Setting.MAX_CONCURRENT_STREAMS, self.max_peer_streams)
        self.max_frame_bytes = settings.get(Setting.MAX_FRAME_SIZE, self.max_frame_bytes)
        self.begin_with(settings.get(Setting.INITIAL_WINDOW_SIZE, self.first_window))
        self._only = None
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self.on_settings()

    def _take_ping(self, flags: int, number: int, payload: bytes) -> None:
        _expect_whole_connection(number)
        if len(payload) != 8:
            raise Fault(ErrorCode.FRAME_SIZE_ERROR, f"expected 8 bytes of PING, received {len(payload)}")
        if not flags & frames.ACK:
            self._patience.spend(self._loop.time())
            self.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _take_window(self, _flags: int, number: int, payload: bytes) -> None:
        size = frames.number(payload, "WINDOW_UPDATE") & frames.MAX_WINDOW
        if not size:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected a window to grow", number)
        if not number:
            self.allow(size)
        elif (stream := self._known(number)) is not None:
            self.allow_stream(stream, size)

    def _take_reset(self, _flags: int, number: int, payload: bytes) -> None:
        code = frames.number(payload, "RST_STREAM")
        stream = self._known(number)
        self._patience.spend(self._loop.time())
        if stream is not None:
            self.forget(stream)
            self.on_reset(stream, code)

    def _take_goaway(self, _flags: int, number: int, payload: bytes) -> None:
        _expect_whole_connection(number)
        if len(payload) < 8:
            raise Fault(ErrorCode.FRAME_SIZE_ERROR, f"expected 8 bytes of GOAWAY, received {len(payload)}")
        self.on_goaway(int.from_bytes(payload[:4], "big") & frames.MAX_WINDOW)

    def _take_priority(self, _flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected the priority of a stream")
        if len(payload) != 5:
            raise Fault(ErrorCode.FRAME_SIZE_ERROR, "expected 5 bytes of PRIORITY", number)

    def _take_push_promise(self, _flags: int, _number: int, _payload: bytes) -> None:
        raise Fault(ErrorCode.PROTOCOL_ERROR, "expected no promises, as none are taken")

    def _known(self, number: int) -> AnyStream | None:
        """Return a stream, None when it is over; raises Fault when it has not begun."""
        if not 0 < number <= self.last_stream:
            raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected a stream that has begun, received {number}")
        return self.streams.get(number)


def _expect_whole_connection(number: int) -> None:
    if number:
        raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected a frame of the connection, received one of {number}")
