"""Rules of connections to model servers: one for each that a route names, none to others."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from releases import ONE_NUMBER
from tiny_models import Arrays, TinyModel, half_plus, running_model_server

from tidemill_contracts.pb import routes_pb2
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.watching import follow


@dataclass
class Relay:
    """Stands before a model server, and knows the connections to it."""

    address: str = ""
    accepted: int = 0
    open: int = 0


@asynccontextmanager
async def relay_to(server: str) -> AsyncIterator[Relay]:
    relay = Relay()
    host, _, port = server.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.accepted += 1
        relay.open += 1
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        back = asyncio.create_task(pass_on(other_reader, writer))
        await pass_on(reader, other_writer)
        await back
        relay.open -= 1

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listener:
        relay.address = "{}:{}".format(*listener.sockets[0].getsockname())
        yield relay
        await none_open(relay)


async def none_open(relay: Relay) -> None:
    async with asyncio.timeout(30):
        while relay.open:  # noqa: ASYNC110 - shorter than events
            await asyncio.sleep(0.01)


async def ask(servers: ModelServers, relay: Relay, model: str) -> list[float]:
    inputs = {"x": np.ones(1, np.float32)}
    outputs = await servers.predict(Target(relay.address, model, 1), "", inputs, timeout_seconds=30)
    return [float(value) for value in outputs["y"]]


async def test_a_server_that_no_route_names_any_more_is_left_after_its_last_answer() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def run(inputs: Arrays) -> Arrays:
        begun.set()
        let_go.wait(30)
        return {"y": inputs["x"]}

    models = {("slow", 1): TinyModel(*ONE_NUMBER, run), ("quick", 1): half_plus(1)}
    with running_model_server(models) as server:
        async with relay_to(server.address) as left, relay_to(server.address) as kept:
            servers = ModelServers(30)
            await ask(servers, kept, "quick")
            waiting = asyncio.create_task(ask(servers, left, "slow"))
            await asyncio.to_thread(begun.wait, 30)

            await follow(table_of(kept), RouteBook(), servers)
            open_while_asked = left.open
            let_go.set()
            answer = await waiting
            await none_open(left)
            await ask(servers, kept, "quick")
            await servers.close()

    assert (open_while_asked, answer) == (1, [1.0])
    assert (left.accepted, kept.accepted) == (1, 1)


async def test_a_server_that_is_named_again_is_asked_again() -> None:
    with running_model_server({("quick", 1): half_plus(1)}) as server:
        async with relay_to(server.address) as relay, relay_to(server.address) as other:
            servers = ModelServers(30)
            await ask(servers, relay, "quick")
            await follow(table_of(other), RouteBook(), servers)
            answer = await ask(servers, relay, "quick")
            await servers.close()

    assert (answer, relay.accepted) == ([1.5], 2)


async def table_of(relay: Relay) -> AsyncIterator[routes_pb2.RouteTable]:
    route = routes_pb2.Route(model="quick", address=relay.address, stable_version=1, loaded_versions=[1])
    yield routes_pb2.RouteTable(revision=1, routes=[route])
