"""A server of gRPC for unary requests; their answers may be several."""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tidemill_runtime.rpc.frames import MAX_WINDOW, ErrorCode
from tidemill_runtime.rpc.server_calls import Method
from tidemill_runtime.rpc.server_connection import ServerConnection

BACKLOG = 1024


@dataclass
class _Details:
    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class Server:
    """Listens in the running loop, and answers there."""

    def __init__(self, max_message_bytes: int = MAX_WINDOW) -> None:
        self._max_message_bytes = max_message_bytes
        self._services: list[grpc.GenericRpcHandler] = []
        self._methods: dict[str, Method] = {}
        self._connections: set[ServerConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._are_gone = asyncio.Event()
        self._are_gone.set()

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add services, whose methods are coroutines that take `(request, context)`.

        One that streams its answers gives them to `context.write`.
        """
        self._services.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, object]) -> None:
        """Do nothing: generated code tells servers of methods in both ways."""

    async def listen(self, host: str, port: int) -> int:
        """Listen on a port, and return it; 0 takes a free one. Raises OSError."""
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(self._protocol, host, port, backlog=BACKLOG)
        except OSError as error:
            raise OSError(f"Failed to bind to address {host}:{port}: {error}") from error
        self._listeners.append(listener)
        for each in listener.sockets:
            # Those that are accepted inherit it: a client that has vanished is noticed, if late.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return int(listener.sockets[0].getsockname()[1])

    async def listen_unix(self, path: Path) -> None:
        """Listen on a Unix socket; raises OSError."""
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_unix_server(self._protocol, str(path), backlog=BACKLOG))

    async def stop(self, grace_seconds: float) -> None:
        """Take no more requests, finish those that are there, and end what takes longer."""
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._connections):
            connection.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._are_gone.wait(), grace_seconds)
        for connection in tuple(self._connections):
            connection.end(ErrorCode.NO_ERROR, "the server has stopped")
        await self._are_gone.wait()

    def _protocol(self) -> ServerConnection:
        return ServerConnection(self._find, self._max_message_bytes, self._count)

    def _count(self, connection: ServerConnection, *, lives: bool) -> None:
        if lives:
            self._connections.add(connection)
            self._are_gone.clear()
        else:
            self._connections.discard(connection)
            if not self._connections:
                self._are_gone.set()

    def _find(self, path: str) -> Method | None:
        method = self._methods.get(path)
        if method is None:
            found = (service.service(_Details(path)) for service in self._services)
            handler: Any = next(filter(None, found), None)
            if handler is None:
                return None
            answer = handler.unary_stream or handler.unary_unary
            decode, encode = handler.request_deserializer, handler.response_serializer
            method = self._methods[path] = Method(answer, decode, encode, handler.response_streaming)
        return method
