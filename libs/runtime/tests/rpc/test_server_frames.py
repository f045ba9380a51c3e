"""What the server takes from peers that are not gRPC's own, and what it does not."""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import pytest
from hpack import Encoder
from raw_peer import GREETING, REQUEST, RawPeer, block, request
from rpc_world import Service, start_ours

from tidemill_runtime.rpc import frames, patience
from tidemill_runtime.rpc.frames import ErrorCode, Setting
from tidemill_runtime.rpc.header_blocks import MAX_LIST_BYTES, NO_TABLE, field
from tidemill_runtime.rpc.messages import framed

Raw = Callable[[], Awaitable[RawPeer]]

SETTINGS_ACK = frames.frame(frames.SETTINGS, frames.ACK, 0)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BURST", 100)


async def answer(peer: RawPeer, stream: int) -> tuple[bytes, bytes]:
    """Return a message as it was framed, and the status."""
    await peer.headers(stream)
    message = (await peer.until(frames.DATA, stream))[3]
    return message, (await peer.headers(stream))[b"grpc-status"]


async def is_alive(raw: Raw) -> bool:
    peer = await raw()
    peer.send(GREETING, request(1))
    return await answer(peer, 1) == (framed(b"hello"), b"0")


async def test_a_session_may_come_byte_by_byte(raw: Raw) -> None:
    peer = await raw()
    for byte in GREETING + request(1, b"x" * 300) + SETTINGS_ACK + request(3):
        peer.send(bytes([byte]))
        await peer.writer.drain()
        await asyncio.sleep(0)

    assert await answer(peer, 1) == (framed(b"x" * 300), b"0")
    assert await answer(peer, 3) == (framed(b"hello"), b"0")


async def test_a_message_may_come_in_many_frames_and_headers_too(raw: Raw) -> None:
    message = framed(bytes(range(256)))
    parts = [frames.frame(frames.DATA, 0, 1, message[at : at + 7]) for at in range(0, len(message), 7)]
    peer = await raw()
    peer.send(GREETING, frames.frame(frames.HEADERS, 0, 1, REQUEST[:9]))
    peer.send(frames.frame(frames.CONTINUATION, 0, 1, REQUEST[9:20]))
    peer.send(frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, REQUEST[20:]))
    peer.send(*parts, frames.frame(frames.DATA, frames.END_STREAM, 1))

    assert await answer(peer, 1) == (message, b"0")


async def test_padding_and_priorities_are_taken_off(raw: Raw) -> None:
    peer = await raw()
    flags = frames.END_HEADERS | frames.PADDED | frames.HAS_PRIORITY
    peer.send(GREETING, frames.frame(frames.HEADERS, flags, 1, b"\4" + bytes(5) + REQUEST + bytes(4)))
    data = b"\3" + framed(b"padded") + bytes(3)
    peer.send(frames.frame(frames.DATA, frames.END_STREAM | frames.PADDED, 1, data))

    assert await answer(peer, 1) == (framed(b"padded"), b"0")


async def test_a_client_may_use_its_table_until_it_has_read_that_there_is_none(raw: Raw) -> None:
    pairs = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/test.Echo/echo"),
        (b"content-type", b"application/grpc"),
    ]
    encoder = Encoder()
    peer = await raw()
    peer.send(GREETING, *(request(number, block=encoder.encode(pairs)) for number in (1, 3, 5)))
    assert [await answer(peer, number) for number in (1, 3, 5)] == [(framed(b"hello"), b"0")] * 3

    encoder.header_table_size = 0
    peer.send(SETTINGS_ACK, *(request(number, block=encoder.encode(pairs)) for number in (7, 9, 11)))
    assert [await answer(peer, number) for number in (7, 9, 11)] == [(framed(b"hello"), b"0")] * 3


async def test_an_answer_waits_for_the_windows_of_connection_and_stream(raw: Raw) -> None:
    peer = await raw()
    peer.send(frames.PREFACE, frames.settings({Setting.INITIAL_WINDOW_SIZE: 10}), request(1, b"x" * 100))
    await peer.headers(1)
    first = (await peer.until(frames.DATA))[3]

    peer.send(frames.window_update(1, 20))
    second = (await peer.until(frames.DATA))[3]
    peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 60}))
    third = (await peer.until(frames.DATA))[3]
    peer.send(frames.window_update(1, 1000))
    fourth = (await peer.until(frames.DATA))[3]

    assert [len(part) for part in (first, second, third, fourth)] == [10, 20, 50, 25]
    assert first + second + third + fourth == framed(b"x" * 100)
    assert (await peer.headers(1))[b"grpc-status"] == b"0"


async def test_a_call_whose_window_is_shut_holds_up_no_other(raw: Raw) -> None:
    peer = await raw()
    peer.send(frames.PREFACE, frames.settings({Setting.INITIAL_WINDOW_SIZE: 10}), request(1, b"x" * 100))
    peer.send(request(3, b"xyz"))

    assert await answer(peer, 3) == (framed(b"xyz"), b"0")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"identity", None), (b"snappy", None)],
)
async def test_messages_may_be_packed(
    raw: Raw, encoding: bytes, pack: Callable[[bytes], bytes] | None
) -> None:
    message = framed(b"hello") if pack is None else b"\1" + framed(pack(b"hello" * 1000))[1:]
    peer = await raw()
    block = REQUEST + field(b"grpc-encoding", encoding)
    peer.send(GREETING, frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block))
    peer.send(frames.frame(frames.DATA, frames.END_STREAM, 1, message))

    assert await answer(peer, 1) == (framed(b"hello" * (1 if pack is None else 1000)), b"0")


@pytest.mark.parametrize(
    ("encoding", "message", "status"),
    [
        (b"snappy", b"\1\0\0\0\1x", b"12"),
        (b"identity", b"\1\0\0\0\1x", b"13"),
        (b"gzip", b"\1\0\0\0\1x", b"13"),
        (b"identity", b"\0\0\0\0\2x", b"13"),
        (b"identity", b"\0\0\0\0\1xy", b"13"),
        (b"identity", b"\0\0", b"13"),
        (b"identity", b"", b"13"),
    ],
)
async def test_what_is_no_message_is_refused(
    raw: Raw, encoding: bytes, message: bytes, status: bytes
) -> None:
    peer = await raw()
    block = REQUEST + field(b"grpc-encoding", encoding)
    peer.send(GREETING, frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block))
    peer.send(frames.frame(frames.DATA, frames.END_STREAM, 1, message))

    refusal = await peer.headers(1)

    assert refusal[b"grpc-status"] == status
    assert b"gzip" in refusal[b"grpc-accept-encoding"]


async def test_what_is_no_grpc_is_told_so(raw: Raw) -> None:
    peer = await raw()
    block = b"\x82\x86\x84" + field(b":authority", b"test")
    peer.send(GREETING, frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, block))

    assert (await peer.headers(1))[b":status"] == b"415"


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, frames.PREFACE + request(1)])
async def test_what_is_no_http_2_is_hung_up_on(raw: Raw, sent: bytes) -> None:
    peer = await raw()
    peer.send(sent)

    assert await peer.goaway_code() == ErrorCode.PROTOCOL_ERROR
    assert await peer.is_hung_up()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frames.frame(frames.DATA, 0, 3), ErrorCode.PROTOCOL_ERROR, id="data of nothing"),
        pytest.param(request(2), ErrorCode.PROTOCOL_ERROR, id="a server's stream"),
        pytest.param(request(5) + request(3), ErrorCode.STREAM_CLOSED, id="a stream of before"),
        pytest.param(b"\xff\xff\xff\0\0\0\0\0\1", ErrorCode.FRAME_SIZE_ERROR, id="frame too large"),
        pytest.param(
            frames.frame(frames.HEADERS, 0, 1, REQUEST) + frames.frame(frames.PING, 0, 0, bytes(8)),
            ErrorCode.PROTOCOL_ERROR,
            id="a block that does not go on",
        ),
        pytest.param(
            frames.frame(frames.CONTINUATION, 4, 1), ErrorCode.PROTOCOL_ERROR, id="a block that has not begun"
        ),
        pytest.param(request(1, block=b"\xff\xff"), ErrorCode.COMPRESSION_ERROR, id="no headers"),
        pytest.param(
            SETTINGS_ACK + request(1, block=b"\x21" + REQUEST), ErrorCode.COMPRESSION_ERROR, id="a table"
        ),
        pytest.param(
            request(1, block=NO_TABLE * MAX_LIST_BYTES + REQUEST),
            ErrorCode.ENHANCE_YOUR_CALM,
            id="more of a block than headers may have",
        ),
        pytest.param(frames.window_update(0, 0), ErrorCode.PROTOCOL_ERROR, id="window that stays"),
        pytest.param(
            frames.window_update(0, frames.MAX_WINDOW), ErrorCode.FLOW_CONTROL_ERROR, id="window too large"
        ),
        pytest.param(
            frames.settings({Setting.MAX_FRAME_SIZE: 1}), ErrorCode.PROTOCOL_ERROR, id="frames too small"
        ),
        pytest.param(frames.frame(frames.PING, 0, 0, b"x"), ErrorCode.FRAME_SIZE_ERROR, id="short ping"),
        pytest.param(frames.frame(frames.PUSH_PROMISE, 4, 1), ErrorCode.PROTOCOL_ERROR, id="a promise"),
    ],
)
async def test_who_breaks_the_protocol_is_hung_up_on_alone(raw: Raw, sent: bytes, code: ErrorCode) -> None:
    peer = await raw()
    peer.send(GREETING, sent)

    assert await peer.goaway_code() == code
    assert await peer.is_hung_up()
    assert await is_alive(raw)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(REQUEST[1:], id="no method"),
        pytest.param(REQUEST + b"\x83", id="pseudo-header late"),
        pytest.param(b"\x83" + REQUEST, id="twice"),
        pytest.param(REQUEST + field(b"Upper", b"x"), id="upper case"),
        pytest.param(REQUEST + field(b"connection", b"close"), id="of a connection"),
        pytest.param(REQUEST + field(b"grpc-timeout", b"soon"), id="no time"),
    ],
)
async def test_headers_that_are_none_end_their_stream_alone(raw: Raw, block: bytes) -> None:
    peer = await raw()
    peer.send(GREETING, request(1, block=block), request(3))

    assert (await peer.until(frames.RST_STREAM, 1))[3] == ErrorCode.PROTOCOL_ERROR.to_bytes(4, "big")
    assert await answer(peer, 3) == (framed(b"hello"), b"0")


@pytest.mark.parametrize(
    ("head", "each"),
    [
        pytest.param(b"", frames.frame(frames.PING, 0, 0, bytes(8)), id="pings"),
        pytest.param(b"", frames.frame(frames.SETTINGS, 0, 0), id="settings"),
        pytest.param(
            frames.frame(frames.HEADERS, 0, 1, REQUEST), frames.frame(frames.CONTINUATION, 0, 1), id="empty"
        ),
        pytest.param(
            frames.frame(frames.HEADERS, 0, 1, REQUEST),
            frames.frame(frames.CONTINUATION, 0, 1, field(b"more", b"x")),
            id="headers without end",
        ),
    ],
)
@pytest.mark.usefixtures("little_patience")
async def test_a_flood_is_ended(raw: Raw, head: bytes, each: bytes) -> None:
    peer = await raw()
    peer.send(GREETING, head, each * 2000)

    assert await peer.is_hung_up()
    assert await is_alive(raw)


@pytest.mark.usefixtures("little_patience")
async def test_calls_begun_and_given_up_without_end_are_ended(raw: Raw) -> None:
    peer = await raw()
    peer.send(GREETING)
    for number in range(1, 4000, 2):
        peer.send(request(number), frames.rst_stream(number, ErrorCode.CANCEL))

    assert await peer.is_hung_up()
    assert await is_alive(raw)


async def test_headers_without_measure_are_refused(raw: Raw) -> None:
    peer = await raw()
    block = REQUEST + b"".join(
        field(b"name-%d" % number, b"x" * 100) for number in range(MAX_LIST_BYTES // 100)
    )
    peer.send(GREETING, request(1, block=block))

    assert await peer.goaway_code() in (ErrorCode.COMPRESSION_ERROR, ErrorCode.ENHANCE_YOUR_CALM)
    assert await is_alive(raw)


async def test_a_call_may_be_late_before_its_handler_has_begun(raw: Raw) -> None:
    peer = await raw()
    peer.send(GREETING, request(1, block=block(b"wait") + field(b"grpc-timeout", b"1n")))

    assert (await peer.headers(1))[b"grpc-status"] == b"4"


async def test_a_handler_may_answer_many_times() -> None:
    address, stop = await start_ours(Service())
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_stream("/test.Echo/count", bytes, bytes)(b"100", timeout=20)

        assert [int(answer) async for answer in call] == list(range(100))
        assert await call.code() is grpc.StatusCode.OK
    await stop(1)
