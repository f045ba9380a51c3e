"""Rules of trainings of every task: each ends in a model that a model server answers with, and a card."""

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judging_world import FEATURES, QUANTILES, columns_of, labels_of
from trainer_world import a_training, dataset_manifest, profile_of

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import Metadata, Pipeline, PipelineSpec
from tidemill_contracts.profile import Task
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.judging.fresh_server import ServerPlace
from tidemill_trainer.training import train
from tidemill_trainer.trainings import Training, Trainings

EMBEDDED = ServerPlace(command=(sys.executable, "-m", "tidemill_local.modelserver"))
ROWS = 1500


def write(store: ObjectStore, training: Training, task: Task, spec: PipelineSpec) -> None:
    """Write a dataset version of two spans, of which the newest has half of the held-out rows."""
    columns = columns_of(2 * ROWS)
    table = pa.table({**columns, LABEL_COLUMN: pa.array(labels_of(task, columns))})
    train_rows, held_out = table.slice(0, ROWS), table.slice(ROWS)
    parts = {
        layout.dataset_part("train", 1, 0): train_rows,
        layout.dataset_part("eval", 1, 0): held_out.slice(0, ROWS // 2),
        layout.dataset_part("eval", 2, 0): held_out.slice(ROWS // 2),
    }
    for file, part in parts.items():
        sink = pa.BufferOutputStream()
        pq.write_table(part, sink)
        store.write(
            layout.dataset(training.pipeline, training.dataset_id, file), sink.getvalue().to_pybytes()
        )
    train_file, *eval_files = parts
    manifest = dataset_manifest(training, ROWS, ROWS, task).model_copy(
        update={
            "spans": (1, 2),
            "features": FEATURES,
            "train_files": (train_file,),
            "eval_files": tuple(eval_files),
        }
    )
    documents = {"profile.json": profile_of(train_rows, FEATURES), "manifest.json": manifest}
    for file, document in documents.items():
        name = layout.dataset(training.pipeline, training.dataset_id, file)
        store.write(name, document.model_dump_json().encode())
    pipeline = Pipeline(metadata=Metadata(name="flights"), spec=spec)
    store.write(layout.pinned_spec("flights", training.spec_digest), pipeline.to_json().encode())


@pytest.mark.parametrize(
    ("task", "learned", "outputs"),
    [
        ("multiclass", {}, {"probabilities", "class"}),
        ("regression", {}, {"value"}),
        ("regression", {"quantiles": QUANTILES}, {"quantiles", "value"}),
    ],
    ids=["multiclass", "regression", "quantiles"],
)
def test_a_model_of_any_task_is_trained_tried_out_and_described(
    task: Task, learned: dict[str, Any], outputs: set[str], tmp_path: Path
) -> None:
    trainings, training = Trainings(FolderStore(tmp_path / "bucket")), a_training(2)
    fields = {"label": "y", "slices": [["hour"]], "training": {"families": ["boosted-trees"], **learned}}
    write(trainings.store, training, task, PipelineSpec.model_validate(fields))
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    train(trainings, training, scratch, EMBEDDED)

    manifest = trainings.manifest(training)
    assert manifest is not None
    assert (manifest.blessed, manifest.task, manifest.reasons) == (True, task, ())
    assert set(manifest.golden.outputs) == outputs
    assert manifest.classes == (("early", "in time", "late") if task == "multiclass" else ())
    name = layout.model_card("flights", training.model_id, "card.json")
    card = ModelCard.model_validate_json(trainings.store.read(name))
    assert card.served is not None
    assert card.findings is not None
    assert card.findings.newest is not None
    assert card.findings.newest.rows == ROWS - ROWS // 2
    assert card.findings.held_out.others.keys() >= {"constant"}
