"""One service behind our server and grpc.aio's, asked by our client and two of gRPC's."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any

import grpc
import grpc.aio

from tidemill_runtime.rpc.client import Channel
from tidemill_runtime.rpc.server import Server

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass
class Service:
    """Answers in every way that matters; keeps what became of its calls."""

    cancelled: int = 0
    begun: int = 0
    gate: asyncio.Event = made(default_factory=asyncio.Event)

    async def echo(self, request: bytes, context: Any) -> bytes:
        del context
        return request

    async def wait(self, request: bytes, context: Any) -> bytes:
        del context
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return request

    async def fail(self, request: bytes, context: Any) -> bytes:
        code, details = json.loads(request)
        await context.abort(grpc.StatusCode[code], details)
        raise AssertionError

    async def break_down(self, request: bytes, context: Any) -> bytes:
        del context
        raise KeyError(request)

    async def metadata(self, request: bytes, context: Any) -> bytes:
        del request
        return json.dumps(dict(context.invocation_metadata())).encode()

    async def grow(self, request: bytes, context: Any) -> bytes:
        del context
        return b"x" * int(request)

    async def count(self, request: bytes, context: Any) -> None:
        for number in range(int(request)):
            await context.write(b"%d" % number)

    def handlers(self) -> grpc.GenericRpcHandler:
        methods = (self.echo, self.wait, self.fail, self.break_down, self.metadata, self.grow)
        table = {each.__name__: grpc.unary_unary_rpc_method_handler(each, bytes, bytes) for each in methods}
        table["count"] = grpc.unary_stream_rpc_method_handler(self.count, bytes, bytes)
        return grpc.method_handlers_generic_handler("test.Echo", table)


@dataclass
class World:
    """A server that runs, and a client of it."""

    service: Service
    address: str
    call: Callable[..., Awaitable[bytes]]
    stop: Callable[[float], Awaitable[None]]
    is_ours: bool


async def start_ours(service: Service, port: int = 0) -> tuple[str, Callable[[float], Awaitable[None]]]:
    server = Server()
    server.add_generic_rpc_handlers([service.handlers()])
    return f"127.0.0.1:{await server.listen('127.0.0.1', port)}", server.stop


async def start_aio(service: Service, port: int = 0) -> tuple[str, Callable[[float], Awaitable[None]]]:
    server = grpc.aio.server(options=[*UNLIMITED, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((service.handlers(),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return f"127.0.0.1:{bound}", server.stop


async def open_channel(client: str, address: str) -> Any:
    if client == "ours":
        return Channel(address)
    options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)]
    if client == "aio":
        return grpc.aio.insecure_channel(address, options)
    return grpc.insecure_channel(address, options)


def caller(client: str, channel: Any) -> Callable[..., Awaitable[bytes]]:
    async def call(
        method: str, request: bytes = b"", seconds: float = 20, metadata: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        stub = channel.unary_unary(f"/test.Echo/{method}", bytes, bytes)
        if client != "sync":
            return bytes(await stub(request, timeout=seconds, metadata=metadata))
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        waiting = stub.future(request, timeout=seconds, metadata=metadata)
        waiting.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        try:
            await done.wait()
        except asyncio.CancelledError:
            waiting.cancel()
            raise
        return bytes(waiting.result())

    return call


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
