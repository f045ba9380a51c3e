"""The transform service's composition root: all that the process owns is made here, and closed in reverse."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from tidemill_contracts import topology
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import open_store
from tidemill_runtime.ops import Check
from tidemill_runtime.process import run_consumers
from tidemill_runtime.telling import Teller, on_events, on_objects, publisher_client
from tidemill_transform.handlers import Engine, Transform, handlers
from tidemill_transform.ledger import Ledger
from tidemill_transform.recorded import Recorded
from tidemill_transform.settings import IN_MEMORY, Settings
from tidemill_transform.warehouse import open_warehouse


def load_engine(beam_options: Sequence[str] = IN_MEMORY) -> Engine:
    """Import what runs the pass with these options; Apache Beam takes seconds."""
    from tidemill_transform.dataflow import engine_of  # noqa: PLC0415

    return engine_of(beam_options)


def check_loaded(engine: Future[Engine]) -> None:
    """Raise when the engine could not be loaded; one that still loads is no fault."""
    if engine.done():
        engine.result()


def main() -> None:
    """Run the service until it is asked to stop."""
    settings = Settings()
    configure_logging("transform", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    warehouse = open_warehouse(settings.warehouse_url, store)
    ledger = Ledger(warehouse)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="transform")
    # Consumers stream while the engine loads: the ledger needs none, and the first span has one sooner.
    with ThreadPoolExecutor(1, thread_name_prefix="engine") as loader:
        engine = loader.submit(load_engine, settings.beam_options)
        transform = Transform(store, warehouse, engine.result, settings.beam_options)
        consumers = [
            Consumer(handle, subscription, project=settings.project, publisher=publisher)
            for handle, subscription in (
                (on_events(handlers(transform), teller), topology.TRANSFORM),
                (on_objects(Recorded(store, warehouse), teller), topology.PREDICTIONS),
                (ledger.record_event, topology.LEDGER),
                (ledger.record_dead_letter, topology.DEAD_LETTERS),
            )
        ]
        ready: dict[str, Check] = {"engine": partial(check_loaded, engine), "warehouse": warehouse.check}
        run_consumers(consumers, settings, ready=ready)
