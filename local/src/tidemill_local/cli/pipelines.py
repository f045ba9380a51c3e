"""Pipelines from the outside: their specs go in, files are dropped for them, and their story is followed."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.feed import EventFeed
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.running import Running
from tidemill_local.cli.story import tell

CHECK_SECONDS = 0.5


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


def story_of(drop: Drop, feed: EventFeed, check: Callable[[], object]) -> Iterator[Event]:
    """Yield every event that a drop causes, up to the one that ends its story.

    `check` is called twice a second; what it raises ends the waiting.
    """
    correlation_id = None
    while True:
        check()
        event = feed.next(CHECK_SECONDS)
        if event is None:
            continue
        if correlation_id is None and _is_about(event, drop):
            correlation_id = event.correlation_id
        if event.correlation_id == correlation_id:
            yield event
            if tell(event.data).outcome.is_end:
                return


def follow(drop: Drop, feed: EventFeed, progress: Progress, check: Callable[[], object]) -> list[Event]:
    """Print a drop's story as it happens; return its events, the last of which ends it."""
    story = []
    with progress.waiting("waiting for ingest") as wait_for:
        for event in story_of(drop, feed, check):
            story.append(event)
            line = tell(event.data)
            progress.step(line)
            wait_for(NEXT.get(line.stage, ""))
    return story


NEXT = {
    "ingest": "transform: profile, validate, split",
    "transform": "training: each family in turn, then the verdict",
    "train": "training: the other families, then the verdict",
    "verdict": "deployment: load, warm up, compare with training",
}


def _is_about(event: Event, drop: Drop) -> bool:
    match event.data:
        case DatasetIngested() | DropDeduplicated() | DropQuarantined() as data:
            return (data.object_name, data.generation) == (drop.object_name, drop.generation)
    return False
