"""One call at the server: who answers it, and what they are told of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from tidemill_runtime.rpc.request_heads import Metadata, RequestHead
from tidemill_runtime.rpc.sending import Stream
from tidemill_runtime.rpc.statuses import RpcError


class Context:
    """What a handler is given beside the request: of what gRPC has, what is needed."""

    def __init__(self, metadata: Metadata, write: Callable[[Any], None]) -> None:
        self._metadata = metadata
        self._write = write

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent along, `-bin` values as they were written."""
        return self._metadata

    async def write(self, answer: Any) -> None:
        """Send one of several answers."""
        self._write(answer)

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call."""
        raise RpcError(code, details)


@dataclass(frozen=True, slots=True)
class Method:
    """Who answers a request. One that `streams` gives its answers to the context, and returns none."""

    answer: Callable[[Any, Context], Awaitable[Any]]
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    streams: bool


class ServerCall(Stream):
    """A request, and how far its answer is."""

    __slots__ = ("has_begun", "head", "method", "task", "timer")

    def __init__(self, number: int, window: int, head: RequestHead, method: Method | None) -> None:
        super().__init__(number, window)
        self.head = head
        self.method = method
        self.has_begun = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
