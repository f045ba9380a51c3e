"""The serving service's composition root: everything the process owns is made here, and closed in reverse."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.cloud.pubsub_v1 import PublisherClient
from prometheus_client import REGISTRY

from tidemill_contracts import topology
from tidemill_contracts.pb.routes_pb2_grpc import (
    add_ReleasesServicer_to_server,
    add_RoutesServicer_to_server,
)
from tidemill_runtime.consumer import Consumer, Message
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, on_events, on_objects, publisher_client
from tidemill_serving.assembly import Parts, assemble
from tidemill_serving.graphs import Graphs, keep_graphs
from tidemill_serving.handlers import Delete, Deploy, handlers
from tidemill_serving.model_servers import ModelServers
from tidemill_serving.overseeing import keep_judged, keep_told
from tidemill_serving.quality import Quality
from tidemill_serving.quality_feed import QualityFeed, keep_searching
from tidemill_serving.quality_metrics import QualityCollector
from tidemill_serving.releases import keep_reconciled
from tidemill_serving.releases_service import ReleasesService
from tidemill_serving.routes import RouteBoard, RoutesService
from tidemill_serving.settings import Settings

# The stream of each gateway process holds one thread; reports and what people ask need some besides.
MAX_GATEWAYS = 400
OTHER_CALLS = 16
# Each waits for its model to load; a deletion is not to wait for them.
BLESSED_AT_ONCE = 8
# How long a blessed model is held while the model server is away; after ten such times it is a dead letter.
AWAY_SECONDS = 1500


def main() -> None:
    """Run the service until it is asked to stop."""
    settings = Settings()
    configure_logging("serving", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    graphs = Graphs(store)
    board = RouteBoard(graphs.published)
    model_servers = ModelServers(
        settings.model_server_address, load_timeout_seconds=settings.load_timeout_seconds
    )
    quality = Quality()
    REGISTRY.register(QualityCollector(quality))
    feed = QualityFeed(store, quality)
    parts = assemble(store, model_servers, board, quality)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="serving")
    on_models = on_events(handlers(Deploy(store, parts.releases), Delete(parts.releases)), teller)
    consumers = (
        hear_models(on_models, project=settings.project, publisher=publisher),
        Consumer(on_objects(feed, teller), topology.QUALITY, project=settings.project, publisher=publisher),
    )
    control = _control_server(settings, board, parts)
    with running(consumers, settings, ready={"model-server": model_servers.check}) as stop:
        control.start()
        workers = (
            _thread(keep_reconciled, parts.releases, stop, settings.reconcile_seconds, parts.switch.changed),
            _thread(keep_judged, parts.overseer, parts.switch.sightings, stop),
            _thread(keep_told, parts.switch, teller, stop),
            _thread(keep_searching, feed, stop),
            _thread(keep_graphs, graphs, board, stop, settings.reconcile_seconds),
        )
        while not stop.wait(timeout=1):
            pass
        control.stop(settings.shutdown_seconds)
        parts.switch.changed.set()
        until = time.monotonic() + settings.shutdown_seconds
        for thread in workers:
            thread.join(max(0, until - time.monotonic()))
    model_servers.close()


def hear_models(handle: Callable[[Message], None], *, project: str, publisher: PublisherClient) -> Consumer:
    """Make the consumer of blessed models, which wait for the model server, and of deleted pipelines."""
    return Consumer(
        handle,
        topology.SERVING,
        project=project,
        publisher=publisher,
        concurrency=BLESSED_AT_ONCE,
        patience_seconds=AWAY_SECONDS,
    )


def _control_server(settings: Settings, board: RouteBoard, parts: Parts) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(MAX_GATEWAYS + OTHER_CALLS, thread_name_prefix="control"))
    routes = RoutesService(board, parts.switch.sightings.take, MAX_GATEWAYS)
    add_RoutesServicer_to_server(routes, server)
    add_ReleasesServicer_to_server(ReleasesService(parts.by_hand), server)
    server.add_insecure_port(f"{settings.host}:{settings.control_port}")
    return server


def _thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=work.__name__)
    thread.start()
    return thread
