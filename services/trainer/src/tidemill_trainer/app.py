"""The trainer service's composition root: everything the process owns is made here, and closed in reverse."""

import threading
from contextlib import closing

from tidemill_contracts import topology
from tidemill_runtime.consumer import Consumer
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.objects import open_store
from tidemill_runtime.process import running
from tidemill_runtime.telling import Teller, on_events, publisher_client
from tidemill_trainer.driver import Driver, Limits
from tidemill_trainer.handlers import Trainer, handlers
from tidemill_trainer.launcher import Launcher, ProcessLauncher
from tidemill_trainer.recorder import Recorder
from tidemill_trainer.settings import Settings, set_library_defaults
from tidemill_trainer.tracking import Tracking
from tidemill_trainer.trainings import Trainings


def main() -> None:
    """Run the service until it is asked to stop; the driver has the main thread."""
    settings = Settings()
    set_library_defaults()
    configure_logging("trainer", log_format=settings.log_format, level=settings.log_level)
    trainings = Trainings(open_store(settings.bucket_url))
    publisher = publisher_client()
    teller = Teller(publisher, project=settings.project, service="trainer")
    tracking = Tracking(settings.tracking_uri, trainings)
    recorder = Recorder(
        trainings, tracking.record, tracking.align, retry_seconds=settings.tracking_retry_seconds
    )
    with closing(open_launcher(settings)) as launcher:
        driver = Driver(
            trainings,
            launcher,
            teller.tell,
            limits=Limits(settings.max_attempts, settings.trainings_at_once),
            on_told=recorder.submit,
        )
        recorder.resume()
        driver.resume()
        consumer = Consumer(
            on_events(handlers(Trainer(driver.accept)), teller),
            topology.TRAINER,
            project=settings.project,
            publisher=publisher,
        )
        live, ready = {"driver": driver.check_alive}, {"tracking": recorder.check_ready}
        with running([consumer], settings, live=live, ready=ready) as stop:
            threading.Thread(target=recorder.run, args=(stop,), name="recorder", daemon=True).start()
            driver.run(stop, settings.poll_seconds)


def open_launcher(settings: Settings) -> Launcher:
    """Make the launcher that the settings name."""
    if settings.job_template is not None and settings.launcher == "kubernetes":
        from tidemill_trainer.kubernetes_launcher import KubernetesLauncher, in_cluster  # noqa: PLC0415 - slow

        return KubernetesLauncher(in_cluster(), settings.job_template, settings.training_deadline_seconds)
    return ProcessLauncher(settings.scratch_folder, settings.training_deadline_seconds)
