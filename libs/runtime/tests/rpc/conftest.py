"""One service behind our server and grpc.aio's, asked by our client and two of gRPC's; on both loops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop
from raw_peer import RawPeer
from rpc_world import Service, World, caller, open_channel, start_aio, start_ours

PAIRS = ("ours-to-aio", "aio-to-ours", "sync-to-ours", "ours-to-ours")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test runs on both loops: uvloop's transports are not asyncio's."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=PAIRS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    client, _, server = request.param.partition("-to-")
    service = Service()
    address, stop = await (start_ours if server == "ours" else start_aio)(service)
    channel = await open_channel(client, address)
    yield World(service, address, caller(client, channel), stop, is_ours=client == "ours")
    if client == "sync":
        channel.close()
    else:
        await channel.close()
    await stop(0)


@pytest.fixture
async def raw() -> AsyncIterator[Callable[[], Awaitable[RawPeer]]]:
    """Opens raw connections to a server of ours."""
    address, stop = await start_ours(Service())
    peers = []

    async def connect() -> RawPeer:
        peer = RawPeer(*await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2])))
        peers.append(peer)
        return peer

    yield connect
    for peer in peers:
        peer.writer.close()
    await stop(0)
