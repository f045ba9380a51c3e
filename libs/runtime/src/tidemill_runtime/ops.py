"""The operations port of every service: /metrics, /livez and /readyz."""

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app

Check = Callable[[], None]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Probes are not worth a line each."""


class OpsServer:
    """Answers probes and scrapes in threads of its own.

    Args:
        live: Checks that raise when the process can only be helped by a restart.
        ready: Checks that raise when something the service needs does not answer.
        registry: What /metrics shows.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._checks = {"/livez": live, "/readyz": ready}
        self._server = make_server(host, port, self._answer, _Server, _QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="ops", daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound; the one the system chose when 0 was asked for."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        if path not in self._checks:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"expected /metrics, /livez or /readyz\n"]
        failures = failing(self._checks[path])
        start_response("503 Service Unavailable" if failures else "200 OK", [("Content-Type", "text/plain")])
        lines = [f"{name}: {why}\n" for name, why in failures.items()] or ["ok\n"]
        return [line.encode() for line in lines]


def failing(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run every check; return what failed, with its reason."""
    failures = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a dependency raises means it is not ready
            failures[name] = f"{type(error).__name__}: {error}"
    return failures
