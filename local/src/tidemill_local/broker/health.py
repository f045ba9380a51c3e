"""Metrics, liveness and readiness over HTTP, served from a thread of its own."""

import math
import time
from collections.abc import Callable, Iterable
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from tidemill_local.broker.errors import ListenError

STALLED_AFTER_SECONDS = 5.0


class Heartbeat:
    """The event loop's pulse: `beat` is called from the loop once it serves, `is_alive` from anywhere."""

    def __init__(self) -> None:
        self._last = -math.inf

    def beat(self) -> None:
        self._last = time.monotonic()

    def is_alive(self) -> bool:
        """Whether the loop has turned lately."""
        return time.monotonic() - self._last < STALLED_AFTER_SECONDS


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Scrapes are not worth a log line."""


def serve_health(
    address: tuple[str, int], registry: CollectorRegistry, heartbeat: Heartbeat, is_ready: Callable[[], bool]
) -> WSGIServer:
    """Serve `/metrics`, `/livez` and `/readyz` until the returned server's `shutdown`; port 0 chooses one.

    Raises:
        ListenError: the address cannot be bound.
    """
    metrics: WSGIApplication = make_wsgi_app(registry)
    checks: dict[str, Callable[[], bool]] = {
        "/livez": heartbeat.is_alive,
        "/readyz": lambda: heartbeat.is_alive() and is_ready(),
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        check = checks.get(environ["PATH_INFO"])
        if check is None:
            return metrics(environ, start_response)
        passed = check()
        start_response("200 OK" if passed else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if passed else b"failing\n"]

    try:
        server = make_server(*address, application, handler_class=_SilentHandler)
    except OSError as error:
        raise ListenError(f"cannot listen on {address[0]}:{address[1]}: {error}") from error
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
