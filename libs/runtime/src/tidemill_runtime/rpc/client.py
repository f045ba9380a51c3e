"""A client of gRPC's unary calls."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tidemill_runtime.rpc.client_connection import ClientConnection, Unprocessed
from tidemill_runtime.rpc.frames import ErrorCode
from tidemill_runtime.rpc.header_blocks import NO_TABLE, field
from tidemill_runtime.rpc.messages import framed
from tidemill_runtime.rpc.statuses import RpcError, timeout_text

CONNECT_SECONDS = 20.0
BACKOFF_SECONDS = (0.1, 1.0)
PING_AFTER_SECONDS = 10.0
LOST_AFTER_SECONDS = 5.0

Metadata = Sequence[tuple[str, str]]


class Channel:
    """Calls one server over one connection, which is made when a call needs it.

    Where it cannot be, calls fail UNAVAILABLE at once until it may be tried again. One that breaks fails the
    calls it carries. `address` is `host:port`, `[IPv6]:port`, either behind `dns:///`, or `unix:path`.
    """

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("dns:///")
        self._connection: ClientConnection | None = None
        self._connecting: asyncio.Task[ClientConnection | None] | None = None
        self._retry_at = 0.0
        self._backoff_seconds = BACKOFF_SECONDS[0]
        self._failure = ""
        self._is_closed = False

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
    ) -> "Method":
        """Return the callable of a method, as channels of grpc.aio do."""
        authority = "localhost" if self._address.startswith("unix:") else self._address
        return Method(self, method, authority, request_serializer, response_deserializer)

    async def close(self) -> None:
        """Hang up; calls that wait fail."""
        self._is_closed = True
        self._failure = "the channel is closed"
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.end(ErrorCode.NO_ERROR, self._failure)

    async def call(self, headers: bytes, message: bytes, deadline: float) -> bytes:
        """Return the answer to a message; raises RpcError."""
        for _ in range(2):
            connection = self._connection
            if connection is None or not connection.is_open:
                connection = await self._connected(deadline)
            try:
                return await connection.call(headers, message, deadline)
            except Unprocessed:
                continue
        raise RpcError(grpc.StatusCode.UNAVAILABLE, "the server took no calls")

    async def _connected(self, deadline: float) -> ClientConnection:
        loop = asyncio.get_running_loop()
        if self._connecting is None:
            if self._is_closed or loop.time() < self._retry_at:
                raise RpcError(grpc.StatusCode.UNAVAILABLE, self._failure)
            self._connecting = loop.create_task(self._connect())
        connecting = self._connecting
        await asyncio.wait((connecting,), timeout=deadline - loop.time())
        if not connecting.done():
            raise RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        connection = None if connecting.cancelled() else connecting.result()
        if connection is None:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, self._failure)
        return connection

    async def _connect(self) -> ClientConnection | None:
        loop = asyncio.get_running_loop()
        connection = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._open(loop)
                await connection.greeted
        except (OSError, OverflowError, ValueError, RpcError) as error:
            self._failure = f"failed to connect to {self._address}: {error}"
            self._retry_at = loop.time() + self._backoff_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._backoff_seconds = min(self._backoff_seconds * 1.6, BACKOFF_SECONDS[1])
            return None
        else:
            self._backoff_seconds = BACKOFF_SECONDS[0]
            self._connection = connection
            return connection
        finally:
            self._connecting = None
            if connection is not None and connection is not self._connection:
                connection.end(ErrorCode.NO_ERROR, self._failure)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> ClientConnection:
        def protocol() -> ClientConnection:
            return ClientConnection(PING_AFTER_SECONDS, LOST_AFTER_SECONDS)

        if self._address.startswith("unix:"):
            _, connection = await loop.create_unix_connection(protocol, self._address.removeprefix("unix:"))
        else:
            host, _, port = self._address.rpartition(":")
            _, connection = await loop.create_connection(protocol, host.strip("[]"), int(port))
        return connection


class Method:
    """Calls one method of a server."""

    def __init__(
        self,
        channel: Channel,
        path: str,
        authority: str,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
    ) -> None:
        self._channel = channel
        self._encode = encode
        self._decode = decode
        # Of HTTP/2's static table: POST and http.
        self._headers = b"%b\x83\x86%b%b%b%b" % (
            NO_TABLE,
            field(b":path", path.encode()),
            field(b":authority", authority.encode()),
            field(b"te", b"trailers"),
            field(b"content-type", b"application/grpc"),
        )

    async def __call__(self, request: Any, *, timeout: float, metadata: Metadata = ()) -> Any:  # noqa: ASYNC109
        """Return the answer; raises RpcError."""
        if timeout <= 0:
            raise RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        headers = self._headers + field(b"grpc-timeout", timeout_text(timeout))
        for name, value in metadata:
            headers += field(name.encode(), value.encode())
        deadline = asyncio.get_running_loop().time() + timeout
        answer = await self._channel.call(headers, framed(self._encode(request)), deadline)
        try:
            return self._decode(answer)
        except DecodeError as error:
            raise RpcError(grpc.StatusCode.INTERNAL, f"expected another message: {error}") from error
