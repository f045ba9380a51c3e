"""The serving service's composition root: everything the process owns is made here, and closed in reverse."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from tidemill_contracts import topology
from tidemill_contracts.events import ModelBlessed
from tidemill_contracts.pb.routes_pb2_grpc import add_RoutesServicer_to_server
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, on_events, publisher_client
from tidemill_serving.handlers import Deploy
from tidemill_serving.model_server import ModelServer
from tidemill_serving.releases import Releases, keep_reconciled
from tidemill_serving.routes import RouteBoard, RoutesService
from tidemill_serving.settings import Settings

# Each gateway's stream holds one thread.
MAX_GATEWAYS = 100


def main() -> None:
    """Run the service until it is asked to stop."""
    settings = Settings()
    configure_logging("serving", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    board = RouteBoard()
    model_server = ModelServer(
        settings.model_server_address, load_timeout_seconds=settings.load_timeout_seconds
    )
    releases = Releases(store, model_server, board)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="serving")
    consumer = Consumer(
        on_events({ModelBlessed: Deploy(store, releases)}, teller),
        topology.SERVING,
        project=settings.project,
        publisher=publisher,
    )
    control = grpc.server(ThreadPoolExecutor(MAX_GATEWAYS, thread_name_prefix="routes"))
    add_RoutesServicer_to_server(RoutesService(board), control)
    control.add_insecure_port(f"{settings.host}:{settings.control_port}")
    with running([consumer], settings, ready={"model-server": model_server.check}) as stop:
        control.start()
        reconciler = threading.Thread(
            target=keep_reconciled, args=(releases, stop, settings.reconcile_seconds), name="reconcile"
        )
        reconciler.start()
        while not stop.wait(timeout=1):
            pass
        control.stop(settings.shutdown_seconds)
        reconciler.join(settings.shutdown_seconds)
    model_server.close()
