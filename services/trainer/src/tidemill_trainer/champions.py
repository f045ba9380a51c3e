"""The champion of a pipeline: its newest blessed model that was not taken back."""

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import layout
from tidemill_contracts.manifest import ModelManifest, Withdrawals
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_trainer.data import TrainingData
from tidemill_trainer.examination import answer_rows
from tidemill_trainer.judging.verdict import Incumbent
from tidemill_trainer.objective import Objective
from tidemill_trainer.trainings import Data


@dataclass(frozen=True)
class Champion:
    """A blessed model, and its answers to the rows held out now, as the candidates give them.

    There are none where it learned something else: `why_not` says what.
    """

    manifest: ModelManifest
    answers: NDArray[Any] | None
    why_not: str = ""

    @property
    def incumbent(self) -> Incumbent:
        """What a verdict has to know of it."""
        return Incumbent(self.manifest.version, Data(self.manifest.newest_span, self.manifest.dataset))


def find_champion(store: ObjectStore, pipeline: str) -> ModelManifest | None:
    """Return the blessed model with the highest version, of those that may serve; None when there is none."""
    versions = Sequence(store, layout.MODEL_SEQUENCE, pipeline)
    withdrawn = _withdrawn(store, pipeline)
    for version in reversed(versions.numbers()):
        try:
            name = layout.model_manifest(pipeline, versions.key(version))
            manifest = ModelManifest.model_validate_json(store.read(name))
        except ObjectNotFound:  # numbered, but not committed
            continue
        if manifest.blessed and version not in withdrawn:
            return manifest
    return None


def _withdrawn(store: ObjectStore, pipeline: str) -> Collection[int]:
    try:
        return Withdrawals.model_validate_json(store.read(layout.deployment(pipeline))).withdrawn
    except ObjectNotFound:
        return ()


def load_champion(store: ObjectStore, pipeline: str, data: TrainingData, folder: Path) -> Champion | None:
    """Ask the champion for the rows held out now; None when the pipeline has none.

    Raises NotServable when there is a champion that does not load: nothing can be compared with it.
    """
    from tidemill_trainer.servable import Servable  # noqa: PLC0415

    manifest = find_champion(store, pipeline)
    if manifest is None:
        return None
    if manifest.task != data.objective.task:
        return Champion(manifest, None, f"version {manifest.version} answers another task, {manifest.task}")
    saved = folder / "champion"
    prefix = layout.model_version(pipeline, manifest.version) + "/"
    for name in store.list(prefix):
        file = saved / name.removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        store.download(name, file)
    with closing(Servable(saved)) as servable:
        answers = comparable(answer_rows(servable, data.held_out), manifest, data.objective)
    why_not = "" if answers is not None else f"version {manifest.version} answers other quantiles, or none"
    return Champion(manifest, answers, why_not)


def comparable(answers: NDArray[Any], manifest: ModelManifest, objective: Objective) -> NDArray[Any] | None:
    """Bring a champion's answers into the form of an objective; None when they have another meaning.

    It gives classes that it does not know no chance.
    """
    if objective.task == "multiclass":
        places = {name: place for place, name in enumerate(manifest.classes)}
        known = [(column, places[name]) for column, name in enumerate(objective.classes) if name in places]
        chances = np.zeros((len(answers), len(objective.classes)), answers.dtype)
        chances[:, [column for column, _ in known]] = answers[:, [place for _, place in known]]
        return chances
    width = answers.shape[1] if answers.ndim == 2 else 0
    return answers if width == objective.width else None
