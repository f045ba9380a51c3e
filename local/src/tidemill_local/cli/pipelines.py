"""Pipelines from the outside: their specs go in, and files are dropped for them."""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.running import Running


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
        pipeline = parse_pipeline(file.read_bytes())
    except InvalidSpec as error:
        raise CommandFailed(f"{file}: {error}") from error
    except OSError as error:
        raise CommandFailed(f"expected a pipeline spec in {file}: {error.strerror}") from error
    running.store.write(layout.pipeline_spec(pipeline.name), file.read_bytes())
    return pipeline


def drop_file(running: Running, pipeline: str, file: Path) -> Drop:
    """Copy a file into the bucket, at once, where its pipeline looks for drops."""
    known = [Path(name).stem for name in running.store.list("pipelines/")]
    if pipeline not in known:
        what = f"expected a pipeline of {known}, received {pipeline!r}"
        raise CommandFailed(f"{what}; add it with: tidemill apply FILE")
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
