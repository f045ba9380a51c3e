"""A fresh model server for a model that is to be judged: started here, or a neighbour of this job."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_trainer.addresses import free_addresses
from tidemill_trainer.judging.findings import Served
from tidemill_trainer.judging.model_server import VERSION, ModelServer, ServerAway

START_SECONDS = 60.0
STOP_SECONDS = 5.0
NO_MODELS = "model_config_list {}"


@dataclass(frozen=True)
class ServerPlace:
    """Where a model server comes from.

    Args:
        command: What starts one; `--port` and `--model_config_file` are added, as tensorflow_model_server has
            them.
        address: Of one that runs, without a model, and is to be used by this job alone.
        folder: What it shares with that one, under the same path.
    """

    command: tuple[str, ...] = ()
    address: str = ""
    folder: Path | None = None


NOWHERE = ServerPlace()


class FreshServer:
    """A model server that is starting, or runs."""

    def __init__(self, address: str, folder: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        """Take its address ("": none), a folder that it can read, and its process if it is a child."""
        self.address = address
        self._folder = folder
        self._process = process

    @property
    def pid(self) -> int | None:
        """Its process, None when it is no child."""
        return self._process.pid if self._process else None

    def check(self, saved_model: Path, model_id: str, golden: GoldenPredictions) -> Served:
        """Have the server load a model, answer and be timed.

        Raises Unservable when the model fails, and ServerAway when there is no server to ask.
        """
        if not self.address:
            raise ServerAway("expected a setting that names a model server, received none")
        with closing(ModelServer(self.address)) as server:
            server.await_up(START_SECONDS, self._is_alive)
            base_path = self._folder / model_id
            try:
                shutil.copytree(saved_model, base_path / str(VERSION))
                # A name of its own: a server takes two models of one name and version for the same.
                return server.check(f"check-{model_id}", base_path, golden)
            finally:
                shutil.rmtree(base_path, ignore_errors=True)

    def _is_alive(self) -> bool:
        return self._process is None or self._process.poll() is None


@contextmanager
def fresh_server(place: ServerPlace, scratch: Path) -> Iterator[FreshServer]:
    """Begin to start a model server, if a setting says how, and end it by its process id.

    It is for one thread: when that ends, so does the server.
    """
    if place.command:
        folder = scratch / "model-server"
        folder.mkdir(parents=True)
        with _started(place.command, folder) as server:
            yield server
    else:
        yield FreshServer(place.address if place.folder else "", place.folder or scratch)


@contextmanager
def _started(command: Sequence[str], folder: Path) -> Iterator[FreshServer]:
    config, (address,) = folder / "models.config", free_addresses(1)
    port = address.rpartition(":")[2]
    config.write_text(NO_MODELS)
    bound = (sys.executable, "-m", "tidemill_trainer.parent", str(os.getpid()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is a setting
            [
                *bound,
                *command,
                f"--port={port}",
                f"--model_config_file={config}",
                "--max_num_load_retries=0",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield FreshServer(address, folder, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
