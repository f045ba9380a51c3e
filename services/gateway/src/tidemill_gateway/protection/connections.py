"""What a connection may cost before there is a request to refuse: time for its parts, bytes of headers."""

import asyncio
from enum import Enum
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 65_536

_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Stage(Enum):
    """What is expected next."""

    MESSAGE = "message"
    HEAD = "head"
    BODY = "body"


class LimitedConnection(HttpToolsProtocol):
    """A connection with time limits, for parts that do not come at once: the usual request sets no timer.

    Subclasses call `head_is_read` and `body_is_read`, where uvicorn tells them of it.
    """

    body_seconds = 30.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stage = Stage.MESSAGE
        self._head_bytes = 0
        self._ends_message = False
        self._limit: asyncio.TimerHandle | None = None

    @property
    def is_between_requests(self) -> bool:
        """Say whether all that came was read to its end."""
        return self._stage is Stage.MESSAGE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep it no longer unused than between requests."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing."""
        self._unlimit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; what is not complete after it gets a limit."""
        self._ends_message = False
        super().data_received(data)
        if self._stage is not Stage.MESSAGE:
            self._expect_rest(len(data))

    def on_message_begin(self) -> None:
        """Expect headers."""
        self._stage = Stage.HEAD
        self._head_bytes = 0
        super().on_message_begin()

    def head_is_read(self) -> None:
        """Expect a body."""
        self._stage = Stage.BODY
        if self._limit is not None:
            self._unlimit()

    def body_is_read(self) -> None:
        """Expect another request."""
        self._stage = Stage.MESSAGE
        self._ends_message = True
        if self._limit is not None:
            self._unlimit()

    def body_is_late(self) -> None:
        """Give up a request whose body does not come."""
        self.transport.close()

    def _expect_rest(self, received_bytes: int) -> None:
        if self._stage is Stage.HEAD:
            # What came with the end of another request is mostly that request's.
            self._head_bytes += 0 if self._ends_message else received_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_LARGE)
        if self._limit is None and not self.transport.is_closing():
            seconds = HEAD_SECONDS if self._stage is Stage.HEAD else self.body_seconds
            self._limit = self.loop.call_later(seconds, self._is_late)

    def _is_late(self) -> None:
        self._limit = None
        if self.flow.read_paused:
            # It is this side that does not read: the caller cannot be late.
            self._limit = self.loop.call_later(HEAD_SECONDS, self._is_late)
        elif self._stage is Stage.BODY:
            self.body_is_late()
        else:
            self._refuse(_LATE)

    def _refuse(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _unlimit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
