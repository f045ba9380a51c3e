"""What a frame, or the lack of one, does to a connection; seen without a network."""

import asyncio
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from raw_peer import REQUEST, SilentTransport, block, request
from rpc_world import Service, until

from tidemill_runtime.rpc import connection, frames, patience
from tidemill_runtime.rpc.client_connection import MOST_PINGS, ClientConnection
from tidemill_runtime.rpc.frames import ErrorCode, Setting
from tidemill_runtime.rpc.header_blocks import field
from tidemill_runtime.rpc.messages import framed
from tidemill_runtime.rpc.server import Server
from tidemill_runtime.rpc.server_connection import ServerConnection
from tidemill_runtime.rpc.statuses import RpcError

CALLS = 200
FOR_EVER = 1e6
ENDED = frames.END_HEADERS | frames.END_STREAM


@pytest.fixture
def transport() -> SilentTransport:
    return SilentTransport()


@pytest.fixture
async def blocked(transport: SilentTransport) -> ServerConnection:
    """A server's connection whose client takes nothing of the answers to many calls."""
    server = Server()
    server.add_generic_rpc_handlers([Service().handlers()])
    peer = server._protocol()  # noqa: SLF001
    peer.connection_made(transport)  # type: ignore[arg-type]
    peer.data_received(frames.PREFACE + first_window(0) + b"".join(map(request, range(1, 2 * CALLS, 2))))
    await until(lambda: sum(bool(call.unsent) for call in peer.streams.values()) == CALLS)
    transport.written.clear()
    return peer


@pytest.fixture
async def asking(transport: SilentTransport) -> AsyncIterator[ClientConnection]:
    """A client's connection, on which time passes by hand."""
    peer = ClientConnection(FOR_EVER, FOR_EVER)
    peer.connection_made(transport)  # type: ignore[arg-type]
    peer.data_received(frames.settings({}))
    transport.written.clear()
    yield peer
    peer.connection_lost(None)


def first_window(size: int) -> bytes:
    return frames.settings({Setting.INITIAL_WINDOW_SIZE: size})


async def test_a_window_that_helps_no_stream_costs_nothing(
    blocked: ServerConnection, transport: SilentTransport
) -> None:
    blocked.data_received(frames.window_update(0, 1) * 100)

    assert not transport.written


async def test_settings_that_are_repeated_count_once(
    blocked: ServerConnection, transport: SilentTransport
) -> None:
    sizes = b"".join(first_window(size)[frames.HEAD_BYTES :] for size in [0, 1] * 1000)
    blocked.data_received(frames.frame(frames.SETTINGS, 0, 0, sizes))

    assert len(b"".join(transport.written)) == CALLS * len(frames.frame(frames.DATA, 0, 1, b"x")) + 9
    assert len(transport.written) == CALLS + 1


async def test_settings_cost_patience_for_each_of_the_streams(
    blocked: ServerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BURST", 100)
    blocked.data_received(first_window(0) * 30)

    assert blocked.is_closing


async def test_a_first_window_that_is_too_large_for_one_stream_ends_all(blocked: ServerConnection) -> None:
    number = 2 * CALLS + 1
    blocked.data_received(request(number, block=block(b"wait")) + frames.window_update(number, 1))
    blocked.data_received(first_window(frames.MAX_WINDOW))

    assert blocked.is_closing


async def test_an_answer_that_is_not_taken_is_kept_no_longer_than_the_call_may_take(
    blocked: ServerConnection, transport: SilentTransport
) -> None:
    call = blocked.streams[1]
    blocked._expire(call)  # noqa: SLF001

    assert transport.written == [frames.rst_stream(1, ErrorCode.CANCEL)]
    assert call.id not in blocked.streams


async def test_who_has_hung_up_is_not_hung_up_on_again(
    blocked: ServerConnection, transport: SilentTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "GOODBYE_SECONDS", 0.01)
    blocked.end(ErrorCode.NO_ERROR, "enough")
    blocked.connection_lost(None)
    await asyncio.sleep(0.05)

    assert not transport.is_aborted


async def test_a_server_that_leaves_calls_unanswered_is_given_up_though_nobody_waits_any_longer(
    asking: ClientConnection,
) -> None:
    with pytest.raises(RpcError) as failed:
        await asking.call(REQUEST, framed(b"x"), asyncio.get_running_loop().time())
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    for _ in range(3):
        assert asking.is_open
        asking._check_life()  # noqa: SLF001

    assert not asking.is_open


async def test_a_slow_answer_is_waited_for_with_few_pings(
    asking: ClientConnection, transport: SilentTransport
) -> None:
    deadline = asyncio.get_running_loop().time() + FOR_EVER
    call = asyncio.ensure_future(asking.call(REQUEST, framed(b"x"), deadline))
    await asyncio.sleep(0)
    transport.written.clear()
    pings = 0
    for _ in range(10):
        asking._check_life()  # noqa: SLF001
        if any(frames.HEAD.unpack_from(sent)[2] == frames.PING for sent in transport.written):
            pings += 1
            transport.written.clear()
            asking.data_received(frames.frame(frames.PING, frames.ACK, 0, b"tidemill"))
    asking.data_received(
        frames.frame(frames.HEADERS, frames.END_HEADERS, 1, b"\x88")
        + frames.frame(frames.DATA, 0, 1, framed(b"late"))
        + frames.frame(frames.HEADERS, ENDED, 1, field(b"grpc-status", b"0"))
    )

    assert await call == b"late"
    assert pings == MOST_PINGS


async def test_the_system_asks_clients_that_say_nothing_whether_they_are_there() -> None:
    server = Server()
    port = await server.listen("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: bool(server._connections))  # noqa: SLF001
    [taken] = server._connections  # noqa: SLF001
    accepted = taken.transport.get_extra_info("socket")
    is_asked = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    writer.close()
    await server.stop(0)

    assert is_asked
