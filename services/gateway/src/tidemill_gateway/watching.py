"""Keeps the route book as serving publishes it, for as long as the process lives."""

import asyncio
import random
import socket
from collections.abc import AsyncIterable, Mapping

import grpc
import grpc.aio

from tidemill_contracts.pb import routes_pb2
from tidemill_contracts.pb.routes_pb2 import RouteTable, WatchRequest
from tidemill_contracts.pb.routes_pb2_grpc import RoutesStub
from tidemill_gateway import metrics
from tidemill_gateway.graphs.table import graph_routes
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.routes import Fallback, Route, RouteBook, Split, Variant
from tidemill_runtime.logs import get_logger

# A stream to a peer that vanished without a word looks alive; so none lives longer than this.
STREAM_SECONDS = 60.0
BACKOFF_SECONDS = (0.1, 2.0)
_SPLITS = {routes_pb2.STICKY: Split.STICKY, routes_pb2.BANDIT: Split.BANDIT}
CHANNEL_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 2000))


async def watch_routes(address: str, book: RouteBook, servers: ModelServers) -> None:
    """Follow serving's tables for ever; while serving is away the book stays as it is."""
    request = WatchRequest(gateway=socket.gethostname())
    least, most = BACKOFF_SECONDS
    backoff_seconds = least
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        watch = RoutesStub(channel).Watch
        while True:
            try:
                await follow(watch(request, timeout=STREAM_SECONDS), book, servers)
                backoff_seconds = least
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    backoff_seconds = least
                    continue
                if backoff_seconds == least:
                    get_logger().warning("routes-away", address=address, code=error.code().name)
            metrics.ROUTES_CONNECTED.set(0)
            await asyncio.sleep(backoff_seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter
            backoff_seconds = min(backoff_seconds * 2, most)


async def follow(tables: AsyncIterable[RouteTable], book: RouteBook, servers: ModelServers) -> None:
    """Put the tables of one stream into the book until it ends; one older than the last is passed over.

    Model servers that a table names no longer are left.
    """
    revision = -1
    async for table in tables:
        if table.revision >= revision:
            revision = table.revision
            if await book.replace(read_table(table)):
                get_logger().info("routes", revision=revision, models=len(table.routes))
            await servers.keep({route.address for route in table.routes})
            metrics.ROUTES_CONNECTED.set(1)


def read_table(table: RouteTable) -> Mapping[str, Route]:
    """Convert the message: a route for every model and graph."""
    return dict(graph_routes(table.graphs)) | {route.model: _route(route) for route in table.routes}


def _route(route: routes_pb2.Route) -> Route:
    return Route(
        address=route.address,
        stable_version=route.stable_version or None,
        loaded_versions=frozenset(route.loaded_versions),
        labels=dict(route.labels),
        variants=tuple(
            Variant(each.name, each.version, each.weight, each.successes, each.failures)
            for each in route.variants
        ),
        split=_SPLITS.get(route.split, Split.RANDOM),
        split_key=route.split_key,
        shadow_versions=tuple(route.shadow_versions),
        fallback=Fallback(route.fallback.version or None, route.fallback.answer),
        release=route.release,
        log_share=route.log_share,
        unlogged_columns=frozenset(route.unlogged_columns),
        cache_seconds=route.cache_seconds,
    )
