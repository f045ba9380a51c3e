"""The ingest service's composition root: everything the process owns is made here, and closed in reverse."""

import uvicorn
from fastapi import FastAPI

from tidemill_contracts import topology
from tidemill_ingest.api import add_api
from tidemill_ingest.handlers import Ingest, on_objects
from tidemill_ingest.settings import Settings
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import ObjectStore, open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, publisher_client


def create_app(settings: Settings, store: ObjectStore) -> FastAPI:
    """Build the upload API; it needs nothing but the bucket."""
    app = FastAPI(title="Tidemill ingest")
    app.state.settings = settings
    app.state.store = store
    add_api(app)
    return app


def main() -> None:
    """Run the service until it is asked to stop."""
    settings = Settings()
    configure_logging("ingest", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="ingest")
    ingest = Ingest(store, settings.scratch_folder, settings.max_file_bytes, settings.max_decompressed_bytes)
    consumer = Consumer(
        on_objects(ingest, teller),
        topology.INGEST,
        project=settings.project,
        publisher=publisher,
        concurrency=settings.concurrency,
    )
    with running([consumer], settings):
        uvicorn.run(
            create_app(settings, store),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=int(settings.shutdown_seconds),
        )
