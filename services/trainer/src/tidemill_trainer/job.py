"""The root of a training job: a process of its own, that turns one intent into a manifest, or an error.

It holds a lock while it works, so that the same model is never trained twice at once on one machine.
"""

import argparse
import ctypes
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemill_contracts.events import Reason
from tidemill_runtime.logs import configure_logging, get_logger
from tidemill_runtime.objects import open_store
from tidemill_trainer.settings import Settings, set_library_defaults
from tidemill_trainer.training import train
from tidemill_trainer.trainings import Training, Trainings

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run one attempt; exit 0 when the model's manifest is in the bucket."""
    arguments = _parse_arguments()
    if arguments.parent_pid is not None:
        die_with_parent(arguments.parent_pid)
    settings = Settings()
    set_library_defaults()
    configure_logging("trainer-job", log_format=settings.log_format, level=settings.log_level)
    trainings = Trainings(open_store(settings.bucket_url))
    training = trainings.read(arguments.intent)
    try:
        with exclusive(settings.scratch_folder, training) as folder:
            train(trainings, training, folder)
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


def die_with_parent(parent_pid: int) -> None:
    """Have Linux kill this process when its parent ends, however it ends; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before it could be watched.
    if os.getppid() != parent_pid:
        sys.exit(f"expected parent process {parent_pid}, it has ended")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train one model.")
    parser.add_argument("--intent", required=True, help="Object that holds the intent.")
    parser.add_argument("--attempt", type=int, required=True, help="Number of this attempt, from 1.")
    parser.add_argument("--parent-pid", type=int, help="End when this process, the parent, ends.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
