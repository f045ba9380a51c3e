"""Rules of the examination: a model is judged by what was exported, loaded back."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from trainer_world import FEATURES, a_training, write_dataset

from tidemill_runtime.folder import FolderStore
from tidemill_trainer.competition import Contestant, examine
from tidemill_trainer.data import Columns, TrainingData, load_dataset, read_manifest
from tidemill_trainer.export import write_saved_model


@dataclass(frozen=True)
class Constant:
    """A model that answers `promised` in memory, and `exported` once it is exported."""

    exported: float
    promised: float
    params: Mapping[str, int | float | str] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def predict(self, columns: Columns) -> NDArray[Any]:
        return np.full(len(columns["day"]), self.promised, np.float32)

    def export(self, folder: Path) -> None:
        def predict(tensors: Mapping[str, Any]) -> Any:
            return tf.fill(tf.shape(tensors["day"]), tf.constant(self.exported, tf.float32))

        write_saved_model(folder, FEATURES, tracked=(tf.Module(),), predict=predict)


class Unloadable(Constant):
    """A model whose export lost a part."""

    def export(self, folder: Path) -> None:
        super().export(folder)
        (folder / "saved_model.pb").write_bytes(b"not a model")


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    store, training = FolderStore(tmp_path / "bucket"), a_training()
    write_dataset(store, training, rows=100)
    return load_dataset(store, read_manifest(store, "flights", training.dataset_id), seed=1)


def examined(model: Constant, data: TrainingData, folder: Path) -> Contestant:
    return examine("deep", model, data, folder / "model", time.perf_counter())


def test_a_model_that_answers_as_it_did_in_memory_has_no_defect(data: TrainingData, tmp_path: Path) -> None:
    contestant = examined(Constant(0.25, 0.25), data, tmp_path)

    assert contestant.result.defects == ()
    assert contestant.result.metrics["roc_auc"] == 0.5
    assert contestant.result.metrics["rows"] == 20
    assert contestant.golden.outputs == {"probability": (0.25,) * 16}


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (Constant(0.25, 0.3), "not-servable"),
        (Unloadable(0.25, 0.25), "not-servable"),
        (Constant(float("nan"), float("nan")), "not-finite"),
    ],
    ids=["other answers than in memory", "does not load", "no number"],
)
def test_a_model_that_cannot_serve_is_named_with_the_reason(
    model: Constant, code: str, data: TrainingData, tmp_path: Path
) -> None:
    (defect,) = examined(model, data, tmp_path).result.defects

    assert defect.code == code
    assert "expected" in defect.message
