"""Gateways that run in this process, on ports of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from tidemill_gateway.app import Gateway, create_app
from tidemill_gateway.settings import Settings
from tidemill_gateway.wire import RestProtocol


@contextmanager
def running_gateway(serving_address: str, **changes: Any) -> Iterator[httpx.Client]:
    """Run a gateway on ports of its own; yields a client of its REST API."""
    with running_app(serving_address, **changes) as (client, _app):
        yield client


@contextmanager
def running_app(serving_address: str, **changes: Any) -> Iterator[tuple[httpx.Client, Gateway]]:
    """Run a gateway on ports of its own; yields a client of its REST API, and the gateway itself."""
    settings = Settings(
        **{"serving_address": serving_address, "metrics_port": 0, "rest_port": 0, "grpc_port": 0, **changes}
    )
    app = create_app(settings)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", access_log=False, http=RestProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client, app
    finally:
        server.should_exit = True
        thread.join(10)


def wait_until(holds: Callable[[], bool], timeout_seconds: float = 30) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").status_code == 200
