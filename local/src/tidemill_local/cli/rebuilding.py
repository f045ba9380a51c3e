"""`tidemill data rebuild`: a dataset version made again, beside itself, and compared."""

import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.figures import span_ranges
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.stored import StoredData, Version
from tidemill_local.cli.story import Line, Outcome

TIMEOUT_SECONDS = 1800


class Side(BaseModel):
    """What transform found about the files of one side."""

    side: str
    rows: int
    same_bytes: bool
    different: tuple[str, ...]


class Comparison(BaseModel):
    """What transform found."""

    dataset_id: str
    sides: tuple[Side, ...]
    same_profile: bool


def rebuild_version(data: StoredData, version: Version, console: Console) -> bool:
    """Make a version again and print how it compares; return whether its rows and profile are the same."""
    manifest = version.manifest
    progress = Progress(console)
    with TemporaryDirectory(prefix="tidemill-rebuild-") as folder, progress.waiting("making it again"):
        found = _run(data, manifest.dataset_id, folder)
    for side in found.sides:
        progress.step(_line(side))
    same = "the same" if found.same_profile else "different"
    progress.step(Line("profile", same, 0, Outcome.GOES_ON if found.same_profile else Outcome.REFUSED))
    what = f"version {manifest.dataset}, made again of spans {span_ranges(manifest.spans)}"
    console.print(f"\n{what} and spec {manifest.spec_digest}")
    if found.dataset_id != manifest.dataset_id:
        console.print(
            f"its address was {manifest.dataset_id}, now it would be {found.dataset_id}: the code changed"
        )
    return found.same_profile and not any(side.different for side in found.sides)


def _run(data: StoredData, dataset_id: str, folder: str) -> Comparison:
    # The pass belongs to the transform service, which this command line starts, but does not know.
    given: dict[str, Any] = {
        "bucket_url": data.bucket.as_uri(),
        "pipeline": data.pipeline,
        "dataset_id": dataset_id,
        "folder": folder,
    }
    arguments = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-m", "tidemill_transform.rebuild", *arguments]
    ended = subprocess.run(  # noqa: S603 - this interpreter
        command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if ended.returncode:
        last = ended.stderr.strip().rpartition("\n")[2]
        raise CommandFailed(f"transform could not make the version again: {last}")
    return Comparison.model_validate_json(ended.stdout.strip().rpartition("\n")[2])


def _line(side: Side) -> Line:
    if side.different:
        return Line(side.side, f"different: {', '.join(side.different)}", 0, Outcome.REFUSED)
    sameness = "the same bytes" if side.same_bytes else "the same rows, in other bytes"
    return Line(side.side, f"{side.rows:,} rows: {sameness}", 0)
