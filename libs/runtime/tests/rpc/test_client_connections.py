"""The client's connection: how it is made and lost, and what servers may do with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_peer import RawPeer
from rpc_world import Service, caller, start_aio, start_ours, until

from tidemill_runtime.rpc import client, frames
from tidemill_runtime.rpc.client import Channel
from tidemill_runtime.rpc.frames import ErrorCode, Setting
from tidemill_runtime.rpc.header_blocks import field
from tidemill_runtime.rpc.messages import framed
from tidemill_runtime.rpc.server import Server

CODE = grpc.StatusCode
Play = Callable[[RawPeer], Awaitable[None]]
BEGIN = b"\x88" + field(b"content-type", b"application/grpc")
OK = field(b"grpc-status", b"0")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def ask(channel: Channel, request: bytes = b"x", seconds: float = 20) -> bytes:
    return await caller("ours", channel)("echo", request, seconds=seconds)


async def refused(call: Awaitable[Any]) -> Any:
    with pytest.raises(grpc.RpcError) as failed:
        await call
    return failed.value


def answered(stream: int, message: bytes) -> bytes:
    return b"".join(
        [
            frames.frame(frames.HEADERS, frames.END_HEADERS, stream, BEGIN),
            frames.frame(frames.DATA, 0, stream, framed(message)),
            frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, OK),
        ]
    )


@asynccontextmanager
async def playing(*plays: Play, settings: bytes | None = None) -> AsyncIterator[Channel]:
    """Open a channel to a server that plays one part to each connection, the last to all that follow."""
    connections = 0
    tasks = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        play = plays[min(connections, len(plays) - 1)]
        connections += 1
        tasks.append(asyncio.current_task())
        peer = RawPeer(reader, writer)
        try:
            await reader.readexactly(len(frames.PREFACE))
            peer.send(frames.settings({}) if settings is None else settings)
            await play(peer)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    channel = Channel(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield channel
    finally:
        await channel.close()
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def good(peer: RawPeer) -> None:
    while True:
        _, flags, stream, payload = await peer.until(frames.DATA)
        if flags & frames.END_STREAM:
            peer.send(answered(stream, payload[5:]))


@pytest.mark.parametrize("kind", ["unix", "ipv6", "name", "dns"])
async def test_addresses_of_every_kind_are_called(stack: AsyncExitStack, tmp_path: Path, kind: str) -> None:
    server = Server()
    server.add_generic_rpc_handlers([Service().handlers()])
    stack.push_async_callback(server.stop, 0)
    if kind == "unix":
        await server.listen_unix(tmp_path / "socket")
        address = f"unix:{tmp_path / 'socket'}"
    else:
        host = "::1" if kind == "ipv6" else "127.0.0.1"
        port = await server.listen(host, 0)
        forms = {"ipv6": "[::1]:{}", "name": "localhost:{}", "dns": "dns:///localhost:{}"}
        address = forms[kind].format(port)
    channel = Channel(address)
    stack.push_async_callback(channel.close)

    assert await ask(channel, b"here") == b"here"


@pytest.mark.parametrize(
    "address", ["nowhere", "nowhere.invalid:1", "127.0.0.1:port", "127.0.0.1:99999", "unix:/nowhere", ""]
)
async def test_an_address_of_nobody_is_unavailable(stack: AsyncExitStack, address: str) -> None:
    channel = Channel(address)
    stack.push_async_callback(channel.close)

    assert (await refused(ask(channel))).code() is CODE.UNAVAILABLE


async def test_a_server_that_is_not_there_is_unavailable_until_it_is(
    stack: AsyncExitStack, unused_tcp_port: int
) -> None:
    channel = Channel(f"127.0.0.1:{unused_tcp_port}")
    stack.push_async_callback(channel.close)
    first, second = await refused(ask(channel)), await refused(ask(channel))
    assert (first.code(), second.code()) == (CODE.UNAVAILABLE, CODE.UNAVAILABLE)

    _, stop = await start_ours(Service(), unused_tcp_port)
    stack.push_async_callback(stop, 0)
    await asyncio.sleep(0.25)

    assert await ask(channel, b"here") == b"here"


@pytest.mark.parametrize("start", [start_ours, start_aio])
async def test_a_server_that_comes_back_is_found(
    stack: AsyncExitStack, unused_tcp_port: int, start: Any
) -> None:
    channel = Channel(f"127.0.0.1:{unused_tcp_port}")
    stack.push_async_callback(channel.close)
    for text in (b"first", b"second"):
        _, stop = await start(Service(), unused_tcp_port)
        assert await ask(channel, text) == text
        await stop(0)
        await asyncio.sleep(0.05)


async def test_calls_of_a_connection_that_breaks_are_unavailable() -> None:
    async def hang_up(peer: RawPeer) -> None:
        await peer.until(frames.DATA)

    async with playing(hang_up, good) as channel:
        assert (await refused(ask(channel))).code() is CODE.UNAVAILABLE
        assert await ask(channel, b"again") == b"again"


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 200 OK\r\n\r\n", b"\0\0\0\1\0\0\0\0\1", b"\xff" * 100])
async def test_what_is_no_grpc_server_is_unavailable(garbage: bytes) -> None:
    async def play(peer: RawPeer) -> None:
        peer.send(garbage)
        await peer.reader.read()

    async with playing(play, settings=b"") as channel:
        assert (await refused(ask(channel))).code() is CODE.UNAVAILABLE


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_call() -> None:
    async with playing(lambda peer: peer.reader.read(), settings=b"") as channel:  # type: ignore[arg-type, return-value]
        assert (await refused(ask(channel, seconds=0.2))).code() is CODE.DEADLINE_EXCEEDED


async def test_a_server_that_vanished_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PING_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(client, "LOST_AFTER_SECONDS", 0.1)
    seen = asyncio.Event()

    async def silent(peer: RawPeer) -> None:
        await peer.until(frames.PING)
        seen.set()
        await asyncio.sleep(60)

    async with playing(silent, good) as channel:
        assert (await refused(ask(channel))).code() is CODE.UNAVAILABLE
        assert seen.is_set()
        monkeypatch.undo()
        assert await ask(channel, b"again") == b"again"


@pytest.mark.parametrize("way", ["goaway", "refused"])
async def test_a_call_that_was_not_looked_at_is_asked_again(way: str) -> None:
    async def turn_away(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        if way == "goaway":
            peer.send(frames.goaway(0, ErrorCode.NO_ERROR))
            await peer.reader.read()
        else:
            peer.send(frames.rst_stream(stream, ErrorCode.REFUSED_STREAM))
            await good(peer)

    async with playing(turn_away, good) as channel:
        assert await ask(channel, b"again") == b"again"


async def test_calls_that_were_taken_are_answered_after_a_goaway() -> None:
    async def leave(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        peer.send(frames.goaway(stream, ErrorCode.NO_ERROR), answered(stream, b"last"))
        await peer.reader.read()

    async with playing(leave, good) as channel:
        assert await ask(channel) == b"last"
        assert await ask(channel, b"elsewhere") == b"elsewhere"


async def test_a_call_that_waits_for_its_turn_waits_for_no_server_that_leaves() -> None:
    async def leave(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        peer.send(frames.goaway(stream, ErrorCode.NO_ERROR))
        await peer.reader.read()

    limit = frames.settings({Setting.MAX_CONCURRENT_STREAMS: 1})
    async with playing(leave, good, settings=limit) as channel:
        calls = [asyncio.ensure_future(ask(channel)) for _ in range(2)]
        (answer,), (unanswered,) = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        unanswered.cancel()
        assert await answer == b"x"


async def test_no_more_calls_are_under_way_than_the_server_takes() -> None:
    most = 0

    async def one_by_one(peer: RawPeer) -> None:
        nonlocal most
        while True:
            stream = (await peer.until(frames.DATA))[2]
            await asyncio.sleep(0.01)
            most = max(most, len(peer.reader._buffer))  # type: ignore[attr-defined]  # noqa: SLF001
            peer.send(answered(stream, b"%d" % stream))

    limit = frames.settings({Setting.MAX_CONCURRENT_STREAMS: 1})
    async with playing(one_by_one, settings=limit) as channel:
        answers = await asyncio.gather(*(ask(channel) for _ in range(5)))
        assert sorted(map(int, answers)) == [1, 3, 5, 7, 9]
    assert most < 50


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param((b"\x08\x03503", b""), CODE.UNAVAILABLE, id="503"),
        pytest.param((b"\x08\x03418", b""), CODE.UNKNOWN, id="418"),
        pytest.param((BEGIN + field(b"grpc-status", b"99"), b""), CODE.UNKNOWN, id="unknown"),
        pytest.param((BEGIN, b""), CODE.INTERNAL, id="no status"),
        pytest.param((BEGIN, framed(b"x")), CODE.INTERNAL, id="no trailers"),
        pytest.param((BEGIN + OK, b""), CODE.INTERNAL, id="no message"),
    ],
)
async def test_what_is_no_answer_is_an_error(answer: tuple[bytes, bytes], code: grpc.StatusCode) -> None:
    block, data = answer

    async def play(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        ends = 0 if data else frames.END_STREAM
        peer.send(frames.frame(frames.HEADERS, frames.END_HEADERS | ends, stream, block))
        if data:
            peer.send(frames.frame(frames.DATA, frames.END_STREAM, stream, data))
        await peer.reader.read()

    async with playing(play) as channel:
        assert (await refused(ask(channel))).code() is code


@pytest.mark.parametrize(
    ("reset", "code"),
    [(ErrorCode.CANCEL, CODE.CANCELLED), (ErrorCode.INTERNAL_ERROR, CODE.INTERNAL)],
)
async def test_a_call_may_be_reset(reset: ErrorCode, code: grpc.StatusCode) -> None:
    async def play(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        peer.send(frames.rst_stream(stream, reset))
        await good(peer)

    async with playing(play) as channel:
        assert (await refused(ask(channel))).code() is code
        assert await ask(channel, b"next") == b"next"


async def test_an_early_refusal_ends_a_long_request() -> None:
    async def play(peer: RawPeer) -> None:
        stream = (await peer.until(frames.DATA))[2]
        block = BEGIN + field(b"grpc-status", b"8") + field(b"grpc-message", b"too much")
        peer.send(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, block))
        await peer.until(frames.RST_STREAM, stream)
        peer.send(frames.window_update(0, 2**24))
        await good(peer)

    async with playing(play) as channel:
        refusal = await refused(ask(channel, b"x" * 10**6))
        assert (refusal.code(), refusal.details()) == (CODE.RESOURCE_EXHAUSTED, "too much")
        assert await ask(channel, b"next") == b"next"


async def test_a_channel_may_be_closed_while_it_connects() -> None:
    has_come = asyncio.Event()

    async def say_nothing(peer: RawPeer) -> None:
        has_come.set()
        await peer.reader.read()

    async with playing(say_nothing, settings=b"") as channel:
        waiting = asyncio.ensure_future(ask(channel))
        await has_come.wait()
        await channel.close()

        assert (await refused(waiting)).details() == "the channel is closed"
        assert (await refused(ask(channel))).details() == "the channel is closed"


async def test_a_closed_channel_fails_what_waits(stack: AsyncExitStack) -> None:
    service = Service()
    address, stop = await start_ours(service)
    stack.push_async_callback(stop, 0)
    channel = Channel(address)
    call = asyncio.ensure_future(caller("ours", channel)("wait", b"x"))
    await until(lambda: service.begun == 1)

    await channel.close()

    assert (await refused(call)).code() is CODE.UNAVAILABLE
    assert (await refused(ask(channel))).code() is CODE.UNAVAILABLE
