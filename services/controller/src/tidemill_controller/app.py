"""The controller's composition root: everything the process owns is made here, and closed in reverse."""

from datetime import UTC, datetime

from tidemill_contracts import topology
from tidemill_controller.bucket import BucketDeclarations
from tidemill_controller.declarations import Declarations
from tidemill_controller.handlers import Remember, handlers
from tidemill_controller.looking import Looking
from tidemill_controller.reconciling import Controller
from tidemill_controller.schedules import Schedules
from tidemill_controller.settings import Settings
from tidemill_controller.standings import Standings
from tidemill_controller.telling import LookTeller
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import ObjectStore, open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, on_events, publisher_client


def main() -> None:
    """Run the controller until it is asked to stop; looking has the main thread."""
    settings = Settings()
    configure_logging("controller", log_format=settings.log_format, level=settings.log_level)
    store = open_store(settings.bucket_url)
    standings = Standings(store)
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="controller")
    tell = LookTeller(teller.tell)
    schedules = Schedules(standings, tell, lambda: datetime.now(UTC))
    declarations = open_declarations(settings, store, standings)
    controller = Controller(declarations, store, standings, schedules, tell)
    looking = Looking(controller, settings.look_seconds)
    consumer = Consumer(
        on_events(handlers(Remember(store, standings, looking.look_soon)), teller),
        topology.CONTROLLER,
        project=settings.project,
        publisher=publisher,
    )
    live, ready = {"looking": looking.check_alive}, {"pipelines": declarations.check_ready}
    with running([consumer], settings, live=live, ready=ready) as stop:
        declarations.watch(looking.look_soon, stop)
        looking.run(stop)


def open_declarations(settings: Settings, store: ObjectStore, standings: Standings) -> Declarations:
    """Open the place where pipelines are declared, as the settings name it."""
    if settings.pipelines == "bucket":
        return BucketDeclarations(store, standings)
    from tidemill_controller.kubernetes_api import PipelineApi, in_cluster  # noqa: PLC0415 - slow
    from tidemill_controller.resources import ResourceDeclarations  # noqa: PLC0415

    return ResourceDeclarations(PipelineApi(in_cluster(), settings.namespace), store)
