"""Pipelines from the outside: their specs go in, and files are dropped for them."""

import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.predicting import served_version
from tidemill_local.cli.running import Running

# The controller looks every second; the model's routes go as soon as serving hears of it.
WITHDRAWAL_SECONDS = 30
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Drop:
    """A file in the bucket, at one generation."""

    object_name: str
    generation: int
    size_bytes: int

    def __str__(self) -> str:
        is_small = self.size_bytes < 100_000
        size = f"{self.size_bytes:,} bytes" if is_small else f"{self.size_bytes / 1e6:.1f} MB"
        return f"{self.object_name}, {size}"

    def begins_with(self, event: Event) -> bool:
        """Say whether an event is the first that this drop caused."""
        match event.data:
            case DatasetIngested() | DropDeduplicated() | DropQuarantined() as data:
                return (data.object_name, data.generation) == (self.object_name, self.generation)
        return False

    def is_in(self, attributes: Mapping[str, str]) -> bool:
        """Say whether a message is the bucket's notification of this drop."""
        named = attributes.get("objectId"), attributes.get("objectGeneration")
        return named == (self.object_name, str(self.generation))


def apply_spec(running: Running, file: Path) -> Pipeline:
    """Check a spec and make it its pipeline's current one."""
    try:
        # Once: what is read a second time may be another text, or of a pipe none.
        text = file.read_bytes()
        pipeline = parse_pipeline(text)
    except InvalidSpec as error:
        raise CommandFailed(f"{file}: {error}") from error
    except OSError as error:
        raise CommandFailed(f"expected a pipeline spec in {file}: {error.strerror}") from error
    try:
        running.store.write(layout.pipeline_spec(pipeline.name), text)
    except OSError as error:
        raise CommandFailed(f"could not write {file} into {running.home.bucket}: {error}") from error
    return pipeline


def check_known(running: Running, pipeline: str) -> None:
    """Raise CommandFailed unless a pipeline is specified."""
    known = [Path(name).stem for name in running.store.list("pipelines/")]
    if pipeline not in known:
        what = f"expected a pipeline of {known}, received {pipeline!r}"
        raise CommandFailed(f"{what}; add it with: tidemill apply FILE")


def delete_pipeline(running: Running, pipeline: str) -> None:
    """Remove a spec, and wait until the model is taken back: the controller sees to that.

    Nothing is removed where the gateway would not say what it serves.
    """
    served_version(running.gateway, pipeline, running.key)
    running.store.delete(layout.pipeline_spec(pipeline))
    deadline = time.monotonic() + WITHDRAWAL_SECONDS
    while (version := served_version(running.gateway, pipeline, running.key)) != "-":
        if time.monotonic() > deadline:
            what = f"{pipeline} is specified no longer, and version {version} of its model still answers"
            raise CommandFailed(
                f"{what} after {WITHDRAWAL_SECONDS} s; see what is wrong with: tidemill status"
            )
        time.sleep(POLL_SECONDS)


def drop_file(running: Running, pipeline: str, file: Path) -> Drop:
    """Copy a file into the bucket, at once, where its pipeline looks for drops."""
    check_known(running, pipeline)
    if not layout.is_file_name(file.name):
        what = f"expected a file name of at most {layout.FILE_NAME_BYTES} bytes that starts with no dot"
        raise CommandFailed(f"{what}, received {file.name!r}")
    staged = running.home.scratch / uuid.uuid4().hex
    name = layout.drop(pipeline, file.name)
    try:
        shutil.copyfile(file, staged)
        running.store.upload(name, staged)
    except OSError as error:
        raise CommandFailed(f"could not copy {file} into {running.home.bucket}: {error}") from error
    finally:
        staged.unlink(missing_ok=True)
    stored = running.store.stat(name)
    return Drop(name, stored.generation, stored.size_bytes)
