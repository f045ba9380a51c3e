"""The gateway's composition root: everything the process owns is created here and closed here in reverse."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from tidemill_gateway.aliases import add_page, aliased
from tidemill_gateway.caching import Cache
from tidemill_gateway.coalescing import Coalescer
from tidemill_gateway.edge import Edge, RestApi
from tidemill_gateway.graphs.server import GraphServer
from tidemill_gateway.graphs.table import SCHEME
from tidemill_gateway.grpc_server.server import GrpcServer
from tidemill_gateway.grpc_server.wiring import create_grpc_server
from tidemill_gateway.metrics import REQUEST_SECONDS
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.models import Models
from tidemill_gateway.oip.descriptions import Descriptions
from tidemill_gateway.oip.rest import OipRest
from tidemill_gateway.oip.statistics import Statistics
from tidemill_gateway.openapi import documented
from tidemill_gateway.openapi_rest import OpenApiRest
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.protection.draining import DrainingServer
from tidemill_gateway.protection.wiring import Protection
from tidemill_gateway.recording.wiring import Recording, create_recording
from tidemill_gateway.releasing.wiring import Releasing
from tidemill_gateway.rest import TfServingRest
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.settings import Settings
from tidemill_gateway.tracing import close_tracing, create_model_servers
from tidemill_gateway.watching import watch_routes
from tidemill_gateway.wire import RestProtocol
from tidemill_runtime.docs import add_docs
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.ops import Check, OpsServer, failing
from tidemill_runtime.tracing import Tracing, open_tracing

LOOP_CHECK_SECONDS = 5
# Longer than Google Cloud's load balancers keep idle connections, so that they never use a closed one.
KEEP_ALIVE_SECONDS = 620


class Gateway(FastAPI):
    """The application: probes and documents.

    What `edge` serves is documented here too, but goes around FastAPI: the server must run with RestProtocol.
    """

    edge: Edge
    grpc_server: GrpcServer
    protection: Protection

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of the whole API."""
        return documented(super().openapi())


@dataclass(frozen=True)
class Owned:
    """What lives as long as the process, in the order in which it is made."""

    book: RouteBook
    protection: Protection
    ready: Mapping[str, Check]
    tracing: Tracing | None
    servers: ModelServers
    coalescer: Coalescer
    recording: Recording
    statistics: Statistics
    releasing: Releasing


def create_app(settings: Settings) -> Gateway:
    """Wire the gateway; nothing is opened before its lifespan begins."""
    own = _own(settings)
    book, servers = own.book, own.servers
    app = Gateway(
        title="Tidemill gateway",
        version="0.1.0",
        lifespan=partial(_running, settings, own),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    cache = Cache(settings.cache_bytes)
    predictions = Predictions(book, servers, own.coalescer, cache, own.releasing.answering)
    servers.add(SCHEME, GraphServer(book, servers, predictions, own.tracing))
    models = Models(book, servers)
    descriptions = Descriptions(book, servers, models, own.statistics, own.ready)
    app.grpc_server = create_grpc_server(
        settings, own.protection, predictions, models, descriptions, own.ready, own.tracing
    )
    apis: list[RestApi] = [
        own.releasing.rest,
        own.recording.rest,
        OpenApiRest(book, servers),
        TfServingRest(predictions, models),
        OipRest(predictions, descriptions),
    ]
    app.edge = Edge(apis, settings, own.protection, own.tracing)
    app.protection = own.protection
    _add_probes(app, own.ready)
    add_docs(app)
    if settings.alias_metrics:
        add_page(app, own.protection.guard)
    _refuse_other_paths(app)
    return app


def _own(settings: Settings) -> Owned:
    book = RouteBook()
    protection = Protection(settings, book.__contains__)
    ready = {"routes": book.check_ready, "draining": protection.draining.check_ready}
    tracing = open_tracing("gateway", settings)
    servers = create_model_servers(settings.predict_timeout_seconds, tracing)
    coalescer = Coalescer(servers, settings.max_joined_rows)
    recording = create_recording(settings, book)
    statistics = Statistics()
    releasing = Releasing(settings, book, servers, (*recording.watchers, statistics))
    return Owned(book, protection, ready, tracing, servers, coalescer, recording, statistics, releasing)


@asynccontextmanager
async def _running(settings: Settings, own: Owned, app: Gateway) -> AsyncIterator[Mapping[str, Any]]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close_tracing, own.tracing)
        stack.push_async_callback(own.servers.close)
        stack.push_async_callback(own.recording.close)
        await stack.enter_async_context(own.releasing.running())
        stack.push_async_callback(own.coalescer.close)
        watching = asyncio.create_task(watch_routes(settings.serving_address, own.book, own.servers))
        stack.push_async_callback(_stop, watching)
        await stack.enter_async_context(own.protection.running())
        if settings.alias_metrics:
            stack.enter_context(aliased(REQUEST_SECONDS))
        await stack.enter_async_context(app.grpc_server.running())
        ops = _ops_server(settings, own.ready, watching)
        ops.start()
        stack.callback(ops.stop)
        yield {"edge": app.edge}


def run(settings: Settings) -> None:
    """Run the gateway until it is asked to stop."""
    # uvicorn raises the signal again after its orderly end; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging("gateway", log_format=settings.log_format, level=settings.log_level)
    app = create_app(settings)
    _settle_memory()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.rest_port,
        lifespan="on",
        log_config=None,
        access_log=False,
        http=RestProtocol,
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
        ssl_context_factory=app.protection.tls_context if app.protection.certificates else None,
    )
    server = DrainingServer(config, app.protection.draining, settings.drain_seconds)
    shared = settings.listening_socket
    server.run(sockets=None if shared is None else [socket.socket(fileno=shared)])


def _settle_memory() -> None:
    # What is here now is for ever. Walking it again and again, and requests that free themselves, took a
    # seventh of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _ops_server(settings: Settings, ready: Mapping[str, Check], watching: asyncio.Task[None]) -> OpsServer:
    loop = asyncio.get_running_loop()

    def check_loop() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LOOP_CHECK_SECONDS)

    def check_watching() -> None:
        if watching.done():
            raise RuntimeError("expected the route watch to run for ever, it has ended")

    return OpsServer(
        settings.host,
        settings.metrics_port,
        live={"loop": check_loop, "watch": check_watching},
        ready=ready,
    )


def _add_probes(app: FastAPI, ready: Mapping[str, Check]) -> None:
    @app.get("/", tags=["probes"])
    async def root() -> Mapping[str, str]:
        """Answer as KServe does: its client asks here whether a V1 server is live."""
        return {"status": "alive"}

    @app.get("/livez", tags=["probes"], response_class=PlainTextResponse)
    async def livez() -> PlainTextResponse:
        """Answer: that the loop turned is the proof."""
        return PlainTextResponse("ok\n")

    @app.get("/readyz", tags=["probes"], response_class=PlainTextResponse)
    async def readyz() -> PlainTextResponse:
        """Answer 200 from the first route table until the end begins, 503 before and after."""
        failures = failing(ready)
        return PlainTextResponse("\n".join(failures.values() or ["ok"]) + "\n", 503 if failures else 200)


def _refuse_other_paths(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
