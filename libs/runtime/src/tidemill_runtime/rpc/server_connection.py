"""The server's side of a connection: requests in, answers out."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import grpc

from tidemill_runtime.logs import get_logger
from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.connection import MAX_STREAMS, Connection
from tidemill_runtime.rpc.frames import ErrorCode, Fault
from tidemill_runtime.rpc.header_blocks import NO_TABLE, field
from tidemill_runtime.rpc.messages import ENCODINGS, framed, unframed
from tidemill_runtime.rpc.request_heads import RequestHead, read_head
from tidemill_runtime.rpc.server_calls import Context, Method, ServerCall
from tidemill_runtime.rpc.statuses import RpcError, escaped, number_of

Find = Callable[[str], Method | None]


class Count(Protocol):
    """Keeps account of connections."""

    def __call__(self, connection: "ServerConnection", *, lives: bool) -> None: ...


WRITE_BUFFER_BYTES = 2**20
_BEGIN = b"%b\x88%b%b" % (
    NO_TABLE,
    field(b"content-type", b"application/grpc"),
    field(b"grpc-accept-encoding", b",".join(ENCODINGS)),
)
_OK = NO_TABLE + field(b"grpc-status", b"0")
_NOT_GRPC = NO_TABLE + field(b":status", b"415")


class ServerConnection(Connection[ServerCall, RequestHead | None]):
    """Answers one client. `count` is told when the connection is there, and when it is gone."""

    def __init__(self, find: Find, max_message_bytes: int, count: Count) -> None:
        super().__init__(b"", read_head, max_message_bytes)
        self._find = find
        self._count = count
        self._preface_left = frames.PREFACE
        self._is_draining = False
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._count(self, lives=True)

    def connection_lost(self, error: Exception | None) -> None:
        """End what is still asked."""
        super().connection_lost(error)
        self._count(self, lives=False)

    def data_received(self, data: bytes) -> None:
        """Take bytes, the first of which say that this is HTTP/2."""
        if self._preface_left:
            data = self._without_preface(data)
        super().data_received(data)

    def pause_writing(self) -> None:
        """Read no more from a client that takes no answers."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self.transport.resume_reading()

    def drain(self) -> None:
        """Take no more requests; hang up after the last answer."""
        self._is_draining = True
        self.write(frames.goaway(self.last_stream, ErrorCode.NO_ERROR))
        self._end_if_drained()

    def on_settings(self) -> None: ...

    def on_head(self, number: int, head: RequestHead | None, *, ended: bool) -> None:
        if number <= self.last_stream:
            self._take_trailers(number, ended=ended)
            return
        if not number % 2:
            raise Fault(ErrorCode.PROTOCOL_ERROR, f"expected a client's stream, received {number}")
        self.last_stream = number
        if head is None:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected the headers of a request", number)
        if self._is_draining or max(len(self.streams), len(self._tasks)) >= MAX_STREAMS:
            raise Fault(ErrorCode.REFUSED_STREAM, "expected fewer calls", number)
        call = ServerCall(number, self.first_window, head, self._find(head.path))
        self.streams[number] = call
        call.has_ended = ended
        if not head.is_grpc:
            self._end_call(call, _NOT_GRPC)
        elif call.method is None:
            self._refuse(call, grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        else:
            if head.timeout_seconds is not None:
                call.timer = self._loop.call_later(head.timeout_seconds, self._expire, call)
            if ended:
                self.on_content(call)

    def on_content(self, stream: ServerCall) -> None:
        if stream.method is None:
            return
        stream.task = task = self._loop.create_task(self._answer(stream, stream.method))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_excess(self, stream: ServerCall) -> None:
        details = f"Received message larger than max ({self._max_message_bytes} bytes)"
        self._refuse(stream, grpc.StatusCode.RESOURCE_EXHAUSTED, details)

    def on_sent(self, stream: ServerCall) -> None:
        if not stream.has_ended:
            self.write(frames.rst_stream(stream.id, ErrorCode.NO_ERROR))
        self.forget(stream)

    def on_reset(self, stream: ServerCall, code: int) -> None:
        del code
        if stream.task is not None:
            stream.task.cancel()

    def on_goaway(self, last_stream: int) -> None:
        del last_stream
        self._is_draining = True
        self._end_if_drained()

    def on_end(self, reason: str) -> None:
        del reason
        for call in list(self.streams.values()):
            self.forget(call)
        for task in self._tasks:
            task.cancel()

    def forget(self, stream: ServerCall) -> None:
        """Drop a stream that has ended."""
        super().forget(stream)
        if stream.timer is not None:
            stream.timer.cancel()
        self._end_if_drained()

    def _without_preface(self, data: bytes) -> bytes:
        size = min(len(data), len(self._preface_left))
        if data[:size] != self._preface_left[:size]:
            self.end(ErrorCode.PROTOCOL_ERROR, "expected the preface of HTTP/2")
        self._preface_left = self._preface_left[size:]
        return data[size:]

    def _take_trailers(self, number: int, *, ended: bool) -> None:
        call = self._known(number)
        if call is None or call.has_ended:
            raise Fault(ErrorCode.STREAM_CLOSED, "expected no headers of a stream that has ended")
        if not ended:
            raise Fault(ErrorCode.PROTOCOL_ERROR, "expected trailers to end the stream", number)
        call.has_ended = True
        self.on_content(call)

    async def _answer(self, call: ServerCall, method: Method) -> None:
        context = Context(call.head.metadata, lambda answer: self._send(call, method.encode(answer), None))
        try:
            message = unframed(call.content, call.head.encoding, self._max_message_bytes)
            answer = await method.answer(method.decode(message), context)
            if method.streams:
                self._end_call(call, _OK)
            else:
                self._send(call, method.encode(answer), _frame(call, _OK))
        except RpcError as error:
            self._refuse(call, error.code(), error.details())
        except Exception as error:  # noqa: BLE001 - the process boundary: the caller must not wait for ever
            get_logger().exception("call-failed", method=call.head.path)
            self._refuse(call, grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}")

    def _send(self, call: ServerCall, message: bytes, ending: bytes | None) -> None:
        begin = b"" if call.has_begun else _frame(call, _BEGIN, is_last=False)
        call.has_begun = True
        if call.id in self.streams:
            self.send(call, begin, framed(message), ending)

    def _refuse(self, call: ServerCall, code: grpc.StatusCode, details: str) -> None:
        fields = field(b"grpc-status", number_of(code)) + field(b"grpc-message", escaped(details))
        self._end_call(call, (NO_TABLE if call.has_begun else _BEGIN) + fields)

    def _end_call(self, call: ServerCall, block: bytes) -> None:
        if call.id in self.streams:
            self.send(call, b"", b"", _frame(call, block))

    def _expire(self, call: ServerCall) -> None:
        if call.unsent:
            self.give_up(call, ErrorCode.CANCEL)
        else:
            self._refuse(call, grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        if call.task is not None:
            call.task.cancel()

    def _end_if_drained(self) -> None:
        if self._is_draining and not self.streams:
            self.end(ErrorCode.NO_ERROR, "drained")


def _frame(call: ServerCall, block: bytes, *, is_last: bool = True) -> bytes:
    flags = frames.END_HEADERS | (frames.END_STREAM if is_last else 0)
    return frames.frame(frames.HEADERS, flags, call.id, block)
