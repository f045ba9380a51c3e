"""Tidemill's gateway and embedded model server, with routes from a static table: PORT and three more."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from tidemill_contracts.pb.routes_pb2 import GatewayReport, ReportReply, Route, RouteTable, WatchRequest
from tidemill_contracts.pb.routes_pb2_grpc import RoutesServicer, add_RoutesServicer_to_server


class OneRoute(RoutesServicer):
    """Publishes one table, and never another."""

    def __init__(self, address: str) -> None:
        self._address = address

    def Watch(self, request: WatchRequest, context: Any) -> Iterator[RouteTable]:  # noqa: ARG002, N802
        ended = threading.Event()
        context.add_callback(ended.set)
        route = Route(
            model="census",
            address=self._address,
            stable_version=1,
            loaded_versions=[1],
            log_share=float(os.environ.get("LOG_SHARE", "0")),
        )
        yield RouteTable(revision=1, routes=[route])
        ended.wait()

    def Report(self, request: GatewayReport, context: Any) -> ReportReply:  # noqa: ARG002, N802
        return ReportReply()


def main() -> None:
    """Run both until a signal comes."""
    port = int(os.environ["PORT"])
    routes = f"127.0.0.1:{port + 2}"
    # Both are on one machine: what is sent from one to the other need not be packed for a network.
    socket_path = Path(tempfile.mkdtemp()) / "models.sock"
    server = grpc.server(ThreadPoolExecutor(2))
    add_RoutesServicer_to_server(OneRoute(f"unix:{socket_path}"), server)
    server.add_insecure_port(routes)
    server.start()
    settings = {
        "TIDEMILL_REST_PORT": str(port),
        "TIDEMILL_GRPC_PORT": str(port + 3),
        "TIDEMILL_METRICS_PORT": str(port + 4),
        "TIDEMILL_SERVING_ADDRESS": routes,
    }
    flags = ["--port", str(port + 1), "--grpc_socket_path", str(socket_path)]
    flags += ["--model_name", "census", "--model_base_path", os.environ["MODEL"]]
    processes = [
        subprocess.Popen([sys.executable, "-m", "tidemill_local.modelserver", *flags]),
        subprocess.Popen([sys.executable, "-m", "tidemill_gateway"], env=os.environ | settings),
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        processes[1].wait()
    finally:
        for process in processes:
            process.terminate()
        server.stop(None)


if __name__ == "__main__":
    main()
