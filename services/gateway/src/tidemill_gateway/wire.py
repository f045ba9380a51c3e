"""HTTP on the wire: requests to the APIs go from the parser to the edge, replies from there to the socket.

uvicorn's own way for an application - a scope, a queue of messages, an event and two sends for each request -
would cost more than the rest of the gateway. It is left to what is no API's, such as probes and documents.
"""

import asyncio
import re
from functools import cache
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from tidemill_gateway.bodies import ArrivingBody
from tidemill_gateway.edge import Edge, Reply, RestApi
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection.connections import LimitedConnection
from tidemill_runtime.logs import get_logger

_HEADER_LINES = re.compile(rb"(?:[!#-9;-~]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")


class Exchange(RequestResponseCycle):
    """One request to an API and its reply, where uvicorn has its cycle of messages.

    It has those attributes of its base that uvicorn's protocol looks at, and no others.
    """

    def __init__(self, api: RestApi, protocol: "RestProtocol", *, keep_alive: bool) -> None:
        self.api = api
        self.method = protocol.parser.get_method().decode("ascii")
        self.target = protocol.url
        self.headers = dict(protocol.headers)
        self.arriving = ArrivingBody(protocol.max_body_bytes, protocol.body_memory)
        self.task: asyncio.Task[None] | None = None
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.message_event = protocol.disconnection


class RestProtocol(LimitedConnection):
    """One connection; uvicorn makes it, with the application's lifespan state: that holds the `edge`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._edge: Edge = app_state["edge"]
        self.max_body_bytes = self._edge.max_body_bytes
        self.body_seconds = self._edge.body_seconds
        self.body_memory = self._edge.body_memory
        self.disconnection = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is a request for which there is certainly no place."""
        if self._edge.turnstile.is_shut and self._is_idle():
            refusal = self._edge.refuse_at_once(data)
            if refusal is not None:
                self.transport.write(refusal)
                return
        super().data_received(data)

    def _is_idle(self) -> bool:
        last = self.cycle
        is_answered = last is None or last.response_complete
        return is_answered and self.is_between_requests and not self._edge.draining.has_begun

    def on_headers_complete(self) -> None:
        """Begin an exchange, if the request is to an API: in the next turn, when its body may be here."""
        self.head_is_read()
        if not self.url.startswith(b"/"):
            url = httptools.parse_url(self.url)
            self.url = (url.path or b"/") + (b"?" + url.query if url.query else b"")
        api = self._edge.api_of(self.url.partition(b"?")[0].decode("latin-1"))
        if api is None:
            super().on_headers_complete()
            return
        last = self.cycle
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        self.cycle = exchange = Exchange(api, self, keep_alive=keep_alive)
        if self.expect_100_continue:
            exchange.arriving.on_first_wait = self._ask_for_body
        if last is None or last.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body; what comes after the reply is passed over."""
        if not isinstance(self.cycle, Exchange):
            super().on_body(body)
        elif not self.cycle.response_complete:
            self.cycle.arriving.add(body)

    def on_message_complete(self) -> None:
        """Let the request be answered."""
        self.body_is_read()
        if isinstance(self.cycle, Exchange):
            self.cycle.arriving.end()
        else:
            super().on_message_complete()

    def body_is_late(self) -> None:
        """Answer without the body, and hang up."""
        if not isinstance(self.cycle, Exchange) or self.cycle.response_complete:
            super().body_is_late()
            return
        self.cycle.keep_alive = False
        self.cycle.arriving.fail(
            Refused(Code.DEADLINE_EXCEEDED, "The body did not arrive in time", reason="body-late")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what the caller no longer waits for."""
        exchange = self.cycle
        super().connection_lost(exc)
        for waiting in (exchange, *(cycle for cycle, _ in self.pipeline)):
            if isinstance(waiting, Exchange):
                waiting.disconnected = True
                waiting.arriving.release()
                if waiting.task is not None:
                    waiting.task.cancel()
                    # One that has not begun will never come to its own end.
                    self.tasks.discard(waiting.task)

    def resume_writing(self) -> None:
        """Go on reading: the caller has taken its answers."""
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not isinstance(cycle, Exchange):
            super()._start_asgi_task(cycle, app)
            return
        cycle.task = self.loop.create_task(self._answer(cycle))
        self.tasks.add(cycle.task)

    def _ask_for_body(self) -> None:
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _answer(self, exchange: Exchange) -> None:
        try:
            reply = await self._edge.answer(
                exchange.api, exchange.method, exchange.target, exchange.headers, exchange.arriving
            )
            if not exchange.disconnected and not self.transport.is_closing():
                self._write(exchange, reply)
        except Exception:  # noqa: BLE001 - the process boundary: the caller must not wait for ever
            get_logger().exception("reply-failed", target=exchange.target.decode("latin-1"))
            self.transport.close()
        finally:
            exchange.arriving.release()
            if exchange.task is not None:
                self.tasks.discard(exchange.task)

    def _write(self, exchange: Exchange, reply: Reply) -> None:
        headers = b"".join(
            [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *reply.headers)]
        )
        if not _HEADER_LINES.fullmatch(headers):
            raise ValueError(f"expected headers that HTTP allows, received {headers!r}")
        if self._edge.draining.has_begun:
            exchange.keep_alive = False
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
            _status_line(reply.status),
            reply.content_type,
            len(reply.body),
            headers,
            b"" if exchange.keep_alive else b"connection: close\r\n",
        )
        self.transport.write(head if exchange.method == "HEAD" else head + reply.body)
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Read on only where nothing waits: uvicorn does so after every answer."""
        super().on_response_complete()
        if self.pipeline or self.flow.write_paused:
            self.flow.pause_reading()


@cache
def _status_line(status: int) -> bytes:
    # A number such as 499 is none of HTTP's, and has no phrase.
    phrase = next((known.phrase for known in HTTPStatus if known == status), "")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()
