"""The root of a training job: a process of its own, that turns one intent into a manifest, or an error.

It holds a lock while it works, so that the same model is never trained twice at once on one machine.
"""

import argparse
import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemill_contracts.events import Reason
from tidemill_runtime.logs import configure_logging, get_logger
from tidemill_runtime.objects import open_store
from tidemill_trainer.age import process_seconds
from tidemill_trainer.data_parallel.team import follow, leading
from tidemill_trainer.environment import describe_environment
from tidemill_trainer.judging.fresh_server import ServerPlace
from tidemill_trainer.parent import die_with_parent
from tidemill_trainer.settings import Settings, set_library_defaults
from tidemill_trainer.training import train
from tidemill_trainer.trainings import CODE_VERSION, Training, Trainings


def main() -> None:
    """Run one attempt; exit 0 when the model's manifest is in the bucket."""
    start_seconds = process_seconds()
    arguments = _parse_arguments()
    if arguments.parent_pid is not None:
        die_with_parent(arguments.parent_pid)
    settings = Settings()
    set_library_defaults()
    configure_logging("trainer-job", log_format=settings.log_format, level=settings.log_level)
    trainings = Trainings(open_store(settings.bucket_url))
    training = trainings.read(arguments.intent)
    peers = arguments.peers.split(",") if arguments.peers else []
    if trainings.manifest(training) is not None:
        return
    if arguments.worker_index > 0:
        follow(peers, arguments.worker_index)
        return
    trainings.add_environment(training, describe_environment(CODE_VERSION))
    try:
        with (
            exclusive(settings.scratch_folder, training) as folder,
            leading(peers, trainings, training) as learners,
        ):
            train(trainings, training, folder, _server_place(settings), learners, start_seconds)
    except Exception as error:  # noqa: BLE001 - the process boundary: whatever it was, the driver must hear of it
        get_logger().exception("training-failed", model_id=training.model_id)
        message = f"{type(error).__name__}: {error}"
        trainings.add_error(
            training, arguments.attempt, Reason(code="training-failed", message=message[:1000])
        )
        sys.exit(1)


@contextmanager
def exclusive(scratch_folder: Path, training: Training) -> Iterator[Path]:
    """Wait until no other process here trains the same model; yield an empty folder to do it in."""
    scratch_folder.mkdir(parents=True, exist_ok=True)
    folder = scratch_folder / training.model_id
    with (scratch_folder / f"{training.model_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _server_place(settings: Settings) -> ServerPlace:
    return ServerPlace(
        settings.check_server_command, settings.check_server_address, settings.check_server_folder
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train one model.")
    parser.add_argument("--intent", required=True, help="Object that holds the intent.")
    parser.add_argument("--attempt", type=int, required=True, help="Number of this attempt, from 1.")
    parser.add_argument("--peers", help="Where each of several workers is reached, HOST:PORT,HOST:PORT.")
    parser.add_argument("--worker-index", type=int, default=0, help="Which of those this is, from 0.")
    parser.add_argument("--parent-pid", type=int, help="End when this process, the parent, ends.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
