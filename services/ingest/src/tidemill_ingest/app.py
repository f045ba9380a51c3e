"""The ingest service's composition root: everything the process owns is made here, and closed in reverse."""

from tidemill_contracts import topology
from tidemill_ingest.handlers import Ingest
from tidemill_ingest.server import Server
from tidemill_ingest.settings import Settings
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, on_objects, publisher_client


def main() -> None:
    """Run the service until it is asked to stop."""
    settings = Settings()
    configure_logging("ingest", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="ingest")
    ingest = Ingest(
        store,
        settings.scratch_folder,
        settings.max_file_bytes,
        settings.max_decompressed_bytes,
        privacy_key=settings.privacy_key,
        staging_prefix=settings.staging_prefix,
    )
    consumer = Consumer(
        on_objects(ingest, teller),
        topology.INGEST,
        project=settings.project,
        publisher=publisher,
        concurrency=settings.concurrency,
    )
    server = Server(settings, store)
    with running([consumer], settings, live=server.live):
        server.run()
