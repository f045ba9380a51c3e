"""The broker's composition root. Everything the process owns is created here, and closed here in reverse."""

import asyncio
import json
import math
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from prometheus_client import REGISTRY

from tidemill_local.broker.catalog import Catalog
from tidemill_local.broker.delivery import Clock
from tidemill_local.broker.errors import ListenError, UnavailableError
from tidemill_local.broker.journal import Journal
from tidemill_local.broker.messaging import Messaging
from tidemill_local.broker.metrics import Metrics
from tidemill_local.broker.payloads import Payloads
from tidemill_local.broker.publisher_api import PublisherApi
from tidemill_local.broker.registry import Registry
from tidemill_local.broker.replay import Replay
from tidemill_local.broker.restore import restore
from tidemill_local.broker.retention import SWEEP_SECONDS, Retention
from tidemill_local.broker.server import create_server
from tidemill_local.broker.streaming import StreamingPull
from tidemill_local.broker.subscriber_api import SubscriberApi
from tidemill_runtime.logs import get_logger
from tidemill_runtime.ops import OpsServer

STOP_GRACE_SECONDS = 2.0
HEARTBEAT_SECONDS = 1.0
STALLED_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen and which file to keep. Port 0 chooses one; without a metrics port none are served."""

    data: Path
    host: str
    port: int
    metrics_port: int | None


@dataclass(frozen=True, slots=True)
class _Broker:
    """The assembled parts that `serve` drives."""

    registry: Registry
    server: grpc.aio.Server
    sweep: Callable[[], None]


class Heartbeat:
    """The event loop's pulse: `beat` is called from the loop once it serves, `check` from anywhere."""

    def __init__(self) -> None:
        self._last = -math.inf

    def beat(self) -> None:
        self._last = time.monotonic()

    def check(self) -> None:
        """Raises `TimeoutError` if the loop has not turned lately."""
        silent_seconds = time.monotonic() - self._last
        if silent_seconds > STALLED_AFTER_SECONDS:
            raise TimeoutError(f"expected the event loop to turn, it last did {silent_seconds:.0f} s ago")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; print one JSON line with the bound addresses once ready.

    Raises:
        StorageError: the file cannot be used.
        ListenError: an address cannot be bound.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics(REGISTRY)
    heartbeat = Heartbeat()
    async with AsyncExitStack() as stack:
        journal = Journal(settings.data, observe_commit_seconds=metrics.commit_seconds.observe)
        stack.callback(journal.close)
        broker = _assemble(journal, metrics)
        addresses = {"address": f"{settings.host}:{_bind(broker.server, settings)}"}
        if settings.metrics_port is not None:
            ops = _serve_ops(settings.host, settings.metrics_port, heartbeat, journal)
            stack.callback(ops.stop)
            addresses["metrics_address"] = f"{settings.host}:{ops.port}"
        await broker.server.start()
        stack.push_async_callback(broker.server.stop, STOP_GRACE_SECONDS)
        stack.callback(broker.registry.close)
        heartbeat.beat()
        print(json.dumps(addresses), flush=True)  # noqa: T201 - the supervisor reads this line
        await _run_until(stop, heartbeat, broker.sweep)


def steady_clock() -> Clock:
    """Seconds since the epoch that neither jump nor go back while the process lives."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


def _assemble(journal: Journal, metrics: Metrics) -> _Broker:
    registry = Registry(journal, Payloads(journal), steady_clock())
    metrics.watch_backlog(registry.backlog)
    messaging = Messaging(registry, metrics)
    retention = Retention(registry, messaging)
    catalog = Catalog(registry, messaging, retention)
    replay = Replay(registry, messaging, retention)
    restore(registry, catalog)
    publisher = PublisherApi(registry, catalog, messaging)
    subscriber = SubscriberApi(registry, catalog, messaging, replay, StreamingPull(registry, messaging))
    server = create_server([publisher.handler(), subscriber.handler()])
    sweep = partial(retention.sweep, catalog.delete_subscription, replay.delete_snapshot)
    return _Broker(registry, server, sweep)


def _bind(server: grpc.aio.Server, settings: Settings) -> int:
    address = f"{settings.host}:{settings.port}"
    try:
        port: int = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {address}: {error}") from error
    return port


def _serve_ops(host: str, port: int, heartbeat: Heartbeat, journal: Journal) -> OpsServer:
    ready = {"loop": heartbeat.check, "journal": journal.check}
    try:
        ops = OpsServer(host, port, live={"loop": heartbeat.check}, ready=ready)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error}") from error
    ops.start()
    return ops


async def _run_until(stop: asyncio.Event, heartbeat: Heartbeat, sweep: Callable[[], None]) -> None:
    next_sweep = time.monotonic() + SWEEP_SECONDS
    while not stop.is_set():
        heartbeat.beat()
        if time.monotonic() >= next_sweep:
            next_sweep += SWEEP_SECONDS
            try:
                sweep()
            except UnavailableError as error:
                get_logger().warning("retention postponed", reason=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), HEARTBEAT_SECONDS)
