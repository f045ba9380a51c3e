"""The gateway's composition root: everything the process owns is created here and closed here in reverse."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tidemill_gateway.answering import Answering
from tidemill_gateway.coalescing import Coalescer
from tidemill_gateway.edge import Edge
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.models import Models
from tidemill_gateway.openapi import documented
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.rest import TfServingRest
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.settings import Settings
from tidemill_gateway.watching import watch_routes
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.ops import OpsServer, failing

LOOP_CHECK_SECONDS = 5
# Longer than Google Cloud's load balancers keep idle connections, so that they never use a closed one.
KEEP_ALIVE_SECONDS = 620


class Gateway(FastAPI):
    """The application; what `edge` serves does not go through FastAPI, but is in its OpenAPI document."""

    edge: Edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        api = self.edge.api_of(scope)
        if api is not None:
            await self.edge.answer(api, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of the whole API."""
        return documented(super().openapi())


def create_app(settings: Settings) -> FastAPI:
    """Wire the gateway; nothing is opened before its lifespan begins."""
    book = RouteBook()
    servers = ModelServers(settings.predict_timeout_seconds)
    coalescer = Coalescer(servers, settings.max_joined_rows)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(servers.close)
            stack.push_async_callback(coalescer.close)
            watching = asyncio.create_task(watch_routes(settings.serving_address, book))
            stack.push_async_callback(_stop, watching)
            ops = _ops_server(settings, book, watching)
            ops.start()
            stack.callback(ops.stop)
            yield

    app = Gateway(
        title="Tidemill gateway", version="0.1.0", lifespan=lifespan, redoc_url=None, redirect_slashes=False
    )
    predictions = Predictions(book, servers, coalescer, Answering(book))
    app.edge = Edge(
        [TfServingRest(predictions, Models(book, servers))],
        timeout_seconds=settings.predict_timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
        allow_all_origins=settings.cors,
    )
    _add_probes(app, book)
    _refuse_other_paths(app)
    return app


def main() -> None:
    """Run the gateway until it is asked to stop."""
    settings = Settings()
    # uvicorn raises the signal again after its orderly end; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging("gateway", log_format=settings.log_format, level=settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.rest_port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
    )


def _ops_server(settings: Settings, book: RouteBook, watching: asyncio.Task[None]) -> OpsServer:
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
        ready={"routes": book.check_ready},
    )


def _add_probes(app: FastAPI, book: RouteBook) -> None:
    @app.get("/livez", tags=["probes"])
    async def livez() -> PlainTextResponse:
        """Answer: that the loop turned is the proof."""
        return PlainTextResponse("ok\n")

    @app.get("/readyz", tags=["probes"])
    async def readyz() -> PlainTextResponse:
        """Answer 200 once a route table came, 503 before."""
        failures = failing({"routes": book.check_ready})
        return PlainTextResponse(failures.get("routes", "ok") + "\n", 503 if failures else 200)


def _refuse_other_paths(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
