"""Frames that were right once, and are not any more: they cause the protocol's errors, and nothing stays."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from raw_peer import GREETING, REQUEST, SilentTransport, request
from rpc_world import Service

from tidemill_runtime.rpc import frames
from tidemill_runtime.rpc.client_connection import ClientConnection, Unprocessed
from tidemill_runtime.rpc.frames import ErrorCode, Setting
from tidemill_runtime.rpc.header_blocks import field
from tidemill_runtime.rpc.messages import framed
from tidemill_runtime.rpc.server import Server
from tidemill_runtime.rpc.statuses import RpcError

SEEDS = range(600)
CALLS = 3
CONTROL = [
    frames.settings({Setting.INITIAL_WINDOW_SIZE: 40, Setting.MAX_FRAME_SIZE: 16_384}),
    frames.frame(frames.SETTINGS, frames.ACK, 0),
    frames.frame(frames.PING, 0, 0, bytes(8)),
    frames.window_update(0, 1000),
    frames.window_update(1, 1000),
    frames.rst_stream(3, ErrorCode.CANCEL),
    frames.frame(frames.PRIORITY, 0, 1, bytes(5)),
    frames.goaway(3, ErrorCode.NO_ERROR),
    frames.frame(99, 0xFF, 1, b"unknown"),
]


def requests(chance: random.Random) -> list[bytes]:
    parts: list[bytes] = []
    for number in range(1, 2 * CALLS, 2):
        block = REQUEST + field(b"grpc-timeout", b"%dm" % chance.randrange(100))
        cut = chance.randrange(len(block))
        parts += [
            request(number, bytes(chance.randrange(200))),
            frames.frame(frames.HEADERS, 0, number + 2 * CALLS, block[:cut]),
            frames.frame(frames.CONTINUATION, frames.END_HEADERS, number + 2 * CALLS, block[cut:]),
            frames.frame(frames.DATA, frames.PADDED, number + 2 * CALLS, b"\2" + bytes(20)),
        ]
    return [GREETING, *parts, *CONTROL[:-2], request(4 * CALLS + 1)]


def answers(chance: random.Random) -> list[bytes]:
    parts = CONTROL[1:5]
    for number in range(1, 2 * CALLS, 2):
        begin = b"\x88" + field(b"content-type", b"application/grpc")
        end = field(b"grpc-status", b"%d" % chance.randrange(20)) + field(b"grpc-message", b"%41%zz")
        parts += [
            frames.frame(frames.HEADERS, frames.END_HEADERS, number, begin),
            frames.frame(frames.DATA, 0, number, framed(bytes(chance.randrange(200)))),
            frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, end),
        ]
    return [CONTROL[0], *parts, *CONTROL[5:]]


def mutated(chance: random.Random, parts: list[bytes]) -> bytes:
    first, rest = parts[0], parts[1:]
    if chance.random() < 0.1:
        chance.shuffle(rest)
    data = bytearray(first + b"".join(rest))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(first) if chance.random() < 0.9 else 0, len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                del data[at : at + chance.randrange(20)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(40)]
    return bytes(data)


async def feed(chance: random.Random, take: Callable[[bytes], None], data: bytes) -> None:
    while data:
        size = chance.choice((1, 9, 50, 10_000))
        take(data[:size])
        data = data[size:]
        if chance.random() < 0.1:
            await asyncio.sleep(0)


async def settled() -> None:
    async with asyncio.timeout(20):
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - they are of no group
            await asyncio.sleep(0)


@pytest.mark.parametrize("side", ["server", "client"])
async def test_mutated_frames_do_no_harm(side: str) -> None:
    for seed in SEEDS:
        chance = random.Random(seed)
        play: Any = play_client if side == "server" else play_server
        try:
            await play(chance)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


async def play_client(chance: random.Random) -> None:
    server = Server(10_000)
    server.add_generic_rpc_handlers([Service().handlers()])
    connection, transport = server._protocol(), SilentTransport()  # noqa: SLF001
    connection.connection_made(transport)  # type: ignore[arg-type]
    await feed(chance, connection.data_received, mutated(chance, requests(chance)))
    await asyncio.sleep(0)
    kept = sum(len(call.content) + len(call.unsent) for call in connection.streams.values())
    connection.connection_lost(None)
    await settled()

    assert kept < 100_000
    assert not connection.streams
    assert connection.is_closing


async def play_server(chance: random.Random) -> None:
    connection, transport = ClientConnection(10, 10), SilentTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    greeted = asyncio.gather(connection.greeted, return_exceptions=True)
    deadline = asyncio.get_running_loop().time() + chance.choice((0.001, 10))
    ask = partial(connection.call, REQUEST, framed(bytes(chance.randrange(100))), deadline)
    calls = [asyncio.ensure_future(ask()) for _ in range(CALLS)]
    await asyncio.sleep(0)
    await feed(chance, connection.data_received, mutated(chance, answers(chance)))
    calls[0].cancel()
    await asyncio.sleep(0)
    connection.connection_lost(None)
    for call in calls:
        with suppress(RpcError, Unprocessed, asyncio.CancelledError):
            await call
    await greeted

    assert not connection.streams
