"""The client's side of a connection: calls out, answers in."""

import asyncio
from dataclasses import dataclass

import grpc

from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.connection import Connection
from tidemill_runtime.rpc.frames import ErrorCode, Fault
from tidemill_runtime.rpc.header_blocks import Pairs
from tidemill_runtime.rpc.messages import IDENTITY, unframed
from tidemill_runtime.rpc.sending import Stream
from tidemill_runtime.rpc.statuses import RpcError, code_of, unescaped

MAX_MESSAGE_BYTES = frames.MAX_WINDOW
MOST_PINGS = 2
_PING = frames.frame(frames.PING, 0, 0, b"tidemill")
_OF_HTTP = {
    "400": grpc.StatusCode.INTERNAL,
    "401": grpc.StatusCode.UNAUTHENTICATED,
    "403": grpc.StatusCode.PERMISSION_DENIED,
    "404": grpc.StatusCode.UNIMPLEMENTED,
    "429": grpc.StatusCode.UNAVAILABLE,
    "502": grpc.StatusCode.UNAVAILABLE,
    "503": grpc.StatusCode.UNAVAILABLE,
    "504": grpc.StatusCode.UNAVAILABLE,
}
_OF_RESET: dict[int, grpc.StatusCode] = {
    ErrorCode.CANCEL: grpc.StatusCode.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: grpc.StatusCode.PERMISSION_DENIED,
}


class Unprocessed(Exception):
    """The server says that it has not looked at the call: another connection may be asked."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What headers or trailers say; `status` is empty in headers that are not the last."""

    http: bytes
    status: bytes
    message: bytes
    encoding: bytes


class ClientCall(Stream):
    """A call on its way, and who waits for its answer."""

    __slots__ = ("answer", "encoding", "http")

    def __init__(self, number: int, window: int, answer: "asyncio.Future[bytes]") -> None:
        super().__init__(number, window)
        self.answer = answer
        self.encoding = IDENTITY
        self.http = b""

    def fail(self, error: Exception) -> None:
        """Tell who waits, if anyone does."""
        if not self.answer.done():
            self.answer.set_exception(error)


class ClientConnection(Connection[ClientCall, ResponseHead]):
    """Calls one server. `greeted` is done when it has told of itself, or failed to."""

    def __init__(self, ping_after_seconds: float, lost_after_seconds: float) -> None:
        super().__init__(frames.PREFACE, read_head, MAX_MESSAGE_BYTES)
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self._is_leaving = False
        self._next_stream = 1
        self._waiting: list[asyncio.Future[None]] = []
        self._ping_after_seconds = ping_after_seconds
        self._lost_after_seconds = lost_after_seconds
        self._was_heard = True
        self._is_owed = False
        self._is_pinged = False
        self._pings = 0
        self._timer = self._loop.call_later(ping_after_seconds, self._check_life)

    @property
    def is_open(self) -> bool:
        """Whether a call may begin."""
        return not self._is_leaving and not self.is_closing

    async def call(self, headers: bytes, message: bytes, deadline: float) -> bytes:
        """Return the answer, a message; `deadline` is of the loop's clock. Raises RpcError or Unprocessed.

        A call that nobody waits for any longer is cancelled at the server, too.
        """
        answer: asyncio.Future[bytes] = self._loop.create_future()
        timer = self._loop.call_at(deadline, _expire, answer)
        call = None
        try:
            while self.is_open and len(self.streams) >= self.max_peer_streams:
                await self._room(answer)
            call = self._begin(headers, message, answer)
            return await answer
        finally:
            timer.cancel()
            if call is not None and call.id in self.streams:
                self.give_up(call, ErrorCode.CANCEL)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the server lives."""
        self._was_heard = True
        self._is_owed = False
        super().data_received(data)

    def leave(self) -> None:
        """Begin no calls; hang up after the last one."""
        self._is_leaving = True
        self._wake()
        if not self.streams:
            self.end(ErrorCode.NO_ERROR, "connection closed")

    def on_settings(self) -> None:
        if not self.greeted.done():
            self.greeted.set_result(None)
        self._wake()

    def on_head(self, number: int, head: ResponseHead, *, ended: bool) -> None:
        call = self._known(number)
        if call is None or head.http.startswith(b"1"):
            return
        if ended:
            self._finish(call, head)
        elif head.http and not call.content:
            call.encoding, call.http = head.encoding, head.http
        else:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected trailers to end the stream", number)

    def on_content(self, stream: ClientCall) -> None:
        self._finish(stream, ResponseHead(b"", b"", b"", b""))

    def on_excess(self, stream: ClientCall) -> None:
        stream.fail(RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, "expected an answer below 2 GiB"))
        self.give_up(stream, ErrorCode.CANCEL)

    def on_sent(self, stream: ClientCall) -> None:
        pass

    def on_reset(self, stream: ClientCall, code: int) -> None:
        if code == ErrorCode.REFUSED_STREAM:
            stream.fail(Unprocessed())
        else:
            status = _OF_RESET.get(code, grpc.StatusCode.INTERNAL)
            stream.fail(RpcError(status, f"stream reset, error code {code}"))

    def on_goaway(self, last_stream: int) -> None:
        for call in [call for call in self.streams.values() if call.id > last_stream]:
            self.forget(call)
            call.fail(Unprocessed())
        self.leave()

    def on_end(self, reason: str) -> None:
        self._timer.cancel()
        error = RpcError(grpc.StatusCode.UNAVAILABLE, reason)
        if not self.greeted.done():
            self.greeted.set_exception(error)
        calls = list(self.streams.values())
        self.streams.clear()
        for call in calls:
            call.fail(error)
        self._wake()

    def reset(self, number: int, code: ErrorCode) -> None:
        """End a call; what comes for one that was given up is passed over."""
        if number in self.streams:
            super().reset(number, code)

    def forget(self, stream: ClientCall) -> None:
        """Drop a stream that has ended; another may begin."""
        super().forget(stream)
        self._wake()
        if self._is_leaving and not self.streams:
            self.end(ErrorCode.NO_ERROR, "connection closed")

    def _begin(self, headers: bytes, message: bytes, answer: "asyncio.Future[bytes]") -> ClientCall:
        if not self.is_open:
            raise Unprocessed
        number = self.last_stream = self._next_stream
        self._next_stream += 2
        # The last number but a few: the next call finds another connection.
        self._is_leaving = self._next_stream >= frames.MAX_WINDOW
        self._is_owed = True
        self._pings = 0
        call = self.streams[number] = ClientCall(number, self.first_window, answer)
        begin = frames.head(frames.HEADERS, frames.END_HEADERS, number, len(headers)) + headers
        self.send(call, begin, message, b"")
        return call

    def _finish(self, call: ClientCall, head: ResponseHead) -> None:
        if call.unsent:
            self.write(frames.rst_stream(call.id, ErrorCode.CANCEL))
        self.forget(call)
        if call.answer.done():
            return
        try:
            call.answer.set_result(_message(call, head))
        except RpcError as error:
            call.answer.set_exception(error)

    async def _room(self, answer: "asyncio.Future[bytes]") -> None:
        room = self._loop.create_future()
        self._waiting.append(room)
        await asyncio.wait((room, answer), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            answer.result()

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def _check_life(self) -> None:
        delay_seconds = self._ping_after_seconds
        if self._is_pinged and not self._was_heard:
            self.transport.abort()
            self.end(ErrorCode.NO_ERROR, "ping timeout")
            return
        # A call that nobody waits for any longer is still one that the server has not answered.
        is_asked = self._is_owed or bool(self.streams)
        self._is_pinged = is_asked and not self._was_heard and self._pings < MOST_PINGS
        if self._is_pinged:
            self._pings += 1
            self.write(_PING)
            delay_seconds = self._lost_after_seconds
        self._was_heard = False
        self._timer = self._loop.call_later(delay_seconds, self._check_life)


def read_head(pairs: Pairs) -> ResponseHead:
    """Return what is said of an answer."""
    headers = dict(pairs)
    return ResponseHead(
        http=headers.get(b":status", b""),
        status=headers.get(b"grpc-status", b""),
        message=headers.get(b"grpc-message", b""),
        encoding=headers.get(b"grpc-encoding", IDENTITY),
    )


def _message(call: ClientCall, head: ResponseHead) -> bytes:
    if head.status == b"0":
        return unframed(call.content, call.encoding, MAX_MESSAGE_BYTES)
    if head.status:
        raise RpcError(code_of(head.status), unescaped(head.message))
    http = (head.http or call.http).decode("latin-1")
    if http != "200":
        code = _OF_HTTP.get(http, grpc.StatusCode.UNKNOWN)
        raise RpcError(code, f"expected HTTP status 200, received {http}")
    raise RpcError(grpc.StatusCode.INTERNAL, "expected a grpc-status, received none")


def _expire(answer: "asyncio.Future[bytes]") -> None:
    if not answer.done():
        answer.set_exception(RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))
