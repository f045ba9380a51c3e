"""Makes a dataset version again from its spans and pinned spec, beside the bucket, and compares.

    python -m tidemill_transform.rebuild --bucket_url URL --pipeline P --dataset_id ID --folder SCRATCH

Prints what was found as JSON.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.pipeline import parse_pipeline
from tidemill_contracts.profile import Profile, ProfileModel
from tidemill_runtime.objects import ObjectStore, open_store
from tidemill_transform.beam_pass import run_pass
from tidemill_transform.plan import Report
from tidemill_transform.planning import make_plan
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.window import Window, read_window

SIDES = ("train", "eval", "reject")


class SideComparison(ProfileModel):
    """The files of one side, then and now; `different` names those whose rows or columns are not the same."""

    side: str
    rows: int
    same_bytes: bool
    different: tuple[str, ...]


class Comparison(ProfileModel):
    """A dataset version against itself made again. `dataset_id` is the address that it would have now."""

    dataset_id: str
    sides: tuple[SideComparison, ...]
    same_profile: bool


@dataclass(frozen=True)
class Rebuild:
    """One dataset version, and the folder that it is made again in."""

    store: ObjectStore
    manifest: DatasetManifest
    folder: Path

    def compare(self) -> Comparison:
        """Make it again and compare everything that models are made of."""
        window, report = self._run()
        profile = Profile.model_validate_json(self.store.read(self._name("profile.json")))
        return Comparison(
            dataset_id=window.dataset_id,
            sides=tuple(self._compare(side, report) for side in SIDES),
            same_profile=_alike(profile.model_dump(mode="json"), report.train.model_dump(mode="json")),
        )

    def _run(self) -> tuple[Window, Report]:
        manifest = self.manifest
        name = layout.pinned_spec(manifest.pipeline, manifest.spec_digest)
        spec = parse_pipeline(self.store.read(name)).spec
        newest = max(manifest.spans)
        window = read_window(self.store, manifest.pipeline, manifest.spec_digest, newest, spec)
        plan = make_plan(window, spec, self.store.uri, IN_MEMORY)
        return window, run_pass(replace(plan, folder=str(self.folder)))

    def _compare(self, side: str, report: Report) -> SideComparison:
        before: Sequence[str] = getattr(self.manifest, f"{side}_files")
        after = [name for part in report.parts if (name := getattr(part, f"{side}_file"))]
        both = set(before) & set(after)
        contents = {name: self.store.read(self._name(name)) for name in sorted(both)}
        again = {name: Path(self.folder, name).read_bytes() for name in contents}
        different = [name for name in contents if not _table(contents[name]).equals(_table(again[name]))]
        return SideComparison(
            side=side,
            rows=report.total(f"rows_{side.replace('reject', 'rejected')}"),
            same_bytes=contents == again,
            different=tuple(sorted((set(before) ^ set(after)) | set(different))),
        )

    def _name(self, file: str) -> str:
        return layout.dataset(self.manifest.pipeline, self.manifest.dataset_id, file)


def main() -> None:
    """Rebuild the dataset version that the arguments name, and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for argument in ("--bucket_url", "--pipeline", "--dataset_id", "--folder"):
        parser.add_argument(argument, required=True)
    given = parser.parse_args()
    store = open_store(given.bucket_url)
    name = layout.dataset(given.pipeline, given.dataset_id, "manifest.json")
    manifest = DatasetManifest.model_validate_json(store.read(name))
    comparison = Rebuild(store, manifest, Path(given.folder)).compare()
    print(comparison.model_dump_json())  # noqa: T201 - the answer, for whoever started this


def _table(content: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(content))


def _alike(one: Any, other: Any) -> bool:
    """Say whether two documents are the same but for the last digits of numbers, which sums may differ in."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(_alike, one, other))
        case float(), float():
            return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


if __name__ == "__main__":
    main()
