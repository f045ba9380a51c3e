"""What a gateway's report costs serving, in core time: the real service in a process of its own, over gRPC.

python -m tidemill_scale.reports [SECONDS]
"""

import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import grpc

from tidemill_contracts.pb.routes_pb2 import GatewayReport, Observed
from tidemill_contracts.pb.routes_pb2_grpc import RoutesStub, add_RoutesServicer_to_server
from tidemill_runtime.folder import FolderStore
from tidemill_serving.deployment import Deployed, Deployment
from tidemill_serving.routes import RouteBoard, RoutesService
from tidemill_serving.sightings import Sightings

GATEWAYS = 8
MODELS = 10


def serve(told: Connection) -> None:
    """Serve until told to end; tell the port, and then the seconds of a core that it took."""
    deployed = Deployed(version=1, model_id="x")
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        sightings = Sightings(store, lambda pipeline: Deployment(pipeline=pipeline, stable=deployed))
        server = grpc.server(ThreadPoolExecutor(16))
        add_RoutesServicer_to_server(RoutesService(RouteBoard(), sightings.take), server)
        told.send(server.add_insecure_port("127.0.0.1:0"))
        server.start()
        before = time.process_time()
        told.recv()
        told.send(time.process_time() - before)
        server.stop(None)


def send(port: int, gateway: str, until: float) -> int:
    """Report again and again; return how often."""
    observed = [
        Observed(model=f"model-{model}", version=1, codes={"OK": 500}, latencies=[0] * 20 + [100] * 10)
        for model in range(MODELS)
    ]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        report = RoutesStub(channel).Report
        number = 0
        while time.monotonic() < until:
            number += 1
            report(GatewayReport(gateway=gateway, number=number, observed=observed), timeout=5)
    return number


def main() -> None:
    """Print the seconds of a core for a report of MODELS models."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    process.start()
    port = here.recv()
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(GATEWAYS) as senders:
        sent = sum(senders.map(lambda number: send(port, f"{os.getpid()}-{number}", until), range(GATEWAYS)))
    here.send("end")
    core_seconds = here.recv()
    process.join(10)
    print(f"{sent / seconds:,.0f} reports/s, {1e6 * core_seconds / sent:.0f} us of serving's core each")


if __name__ == "__main__":
    main()
