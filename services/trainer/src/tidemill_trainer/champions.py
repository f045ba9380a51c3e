"""The champion of a pipeline: its newest blessed model."""

from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_trainer.competition import measure
from tidemill_trainer.data import TrainingData
from tidemill_trainer.trainings import Data
from tidemill_trainer.verdict import Champion


def find_champion(store: ObjectStore, pipeline: str) -> ModelManifest | None:
    """Return the blessed model with the highest version, None when there is none."""
    versions = Sequence(store, layout.MODEL_SEQUENCE, pipeline)
    for version in reversed(versions.numbers()):
        try:
            name = layout.model_manifest(pipeline, versions.key(version))
            manifest = ModelManifest.model_validate_json(store.read(name))
        except ObjectNotFound:  # numbered, but not committed
            continue
        if manifest.blessed:
            return manifest
    return None


def load_champion(store: ObjectStore, pipeline: str, data: TrainingData, folder: Path) -> Champion | None:
    """Measure the champion on the rows held out now; None when the pipeline has none.

    Raises NotServable when there is a champion that does not load: nothing can be compared with it.
    """
    manifest = find_champion(store, pipeline)
    if manifest is None:
        return None
    saved = folder / "champion"
    prefix = layout.model_version(pipeline, manifest.version) + "/"
    for name in store.list(prefix):
        file = saved / name.removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        store.download(name, file)
    return Champion(
        manifest.version,
        Data(manifest.newest_span, manifest.dataset),
        measure(saved, data.held_out, data.base_rate),
    )
