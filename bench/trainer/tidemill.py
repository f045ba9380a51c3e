"""Tidemill on one fold: a dataset version as the pass writes it, and the training job in its own process."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tasks import LABEL, Task

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, Column, DatasetManifest
from tidemill_contracts.pipeline import Metadata, Pipeline, PipelineSpec
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.trainings import Training, Trainings, model_id
from tidemill_transform.features import choose
from tidemill_transform.profiling import TableSketch

DATASET_ID = "fold"
# A job that does not keep to its budget is told from one that hangs.
GRACE_SECONDS = 600


@dataclass(frozen=True)
class Result:
    """The deciding metric of every finalist on the test rows, and which one the job chose."""

    seconds: float
    scores: dict[str, float]
    chosen: str


def run(task: Task, train: pa.Table, test: pa.Table, folder: Path, training: dict[str, Any]) -> Result:
    """Run one training job; its log stays in `folder`."""
    store = FolderStore(folder / "bucket")
    spec = PipelineSpec.model_validate({"label": LABEL, "task": task.kind, "training": training})
    pipeline = Pipeline(metadata=Metadata(name="bench"), spec=spec)
    intent = _write(store, task, pipeline, train, test)
    began = time.monotonic()
    _run_job(intent, folder, timeout_seconds=(spec.training.budget_seconds or 0) + GRACE_SECONDS)
    seconds = time.monotonic() - began
    manifest = Trainings(store).manifest(intent)
    if manifest is None:
        raise SystemExit(f"expected a model, found none; see {folder / 'job.log'}")
    scores = {family: metrics[task.metric] for family, metrics in manifest.candidates.items() if metrics}
    return Result(seconds, scores, manifest.family)


def _run_job(intent: Training, folder: Path, *, timeout_seconds: float) -> None:
    environment = {
        **os.environ,
        "TIDEMILL_BUCKET_URL": (folder / "bucket").absolute().as_uri(),
        "TIDEMILL_TRACKING_URI": "sqlite:///:memory:",
        "TIDEMILL_SCRATCH_FOLDER": str(folder / "scratch"),
    }
    command = [sys.executable, "-m", "tidemill_trainer.job", "--intent", intent.name, "--attempt", "1"]
    with (folder / "job.log").open("wb") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=timeout_seconds, check=True)


def _write(store: FolderStore, task: Task, pipeline: Pipeline, train: pa.Table, test: pa.Table) -> Training:
    train, test = (_labelled(side) for side in (train, test))
    profile = _profile(task, train)
    choice = choose(profile, pipeline.spec, (LABEL,), ())
    intent = _intent(pipeline)
    manifest = DatasetManifest(
        **intent.model_dump(include={"pipeline", "dataset", "dataset_id", "spec_digest"}),
        spans=(1,),
        span_ids=("span-1",),
        rows_in=len(train) + len(test),
        rows_train=len(train),
        rows_eval=len(test),
        rows_unlabelled=0,
        task=task.kind,
        train_files=("train/0.parquet",),
        eval_files=("eval/0.parquet",),
        features=choice.features,
        left_out=choice.left_out,
    )
    contents = {"manifest.json": manifest, "profile.json": profile}
    for file, content in contents.items():
        store.write(layout.dataset(pipeline.name, DATASET_ID, file), content.model_dump_json().encode())
    for file, rows in (("train/0.parquet", train), ("eval/0.parquet", test)):
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        store.write(layout.dataset(pipeline.name, DATASET_ID, file), sink.getvalue().to_pybytes())
    store.create(layout.pinned_spec(pipeline.name, pipeline.digest()), pipeline.to_json().encode())
    return Trainings(store).accept(intent)


def _intent(pipeline: Pipeline) -> Training:
    return Training(
        pipeline=pipeline.name,
        model_id=model_id(DATASET_ID, pipeline.digest()),
        dataset=1,
        dataset_id=DATASET_ID,
        newest_span=1,
        spec_digest=pipeline.digest(),
        correlation_id="bench",
        causation_id=None,
        accepted_at=datetime.now(UTC),
    )


def _labelled(table: pa.Table) -> pa.Table:
    return table.rename_columns([LABEL_COLUMN if name == LABEL else name for name in table.column_names])


def _profile(task: Task, train: pa.Table) -> Any:
    sketch = TableSketch(_columns(train), task.kind, ())
    keys = np.random.default_rng(0).integers(2**64, size=len(train), dtype=np.uint64)
    (batch,) = train.combine_chunks().to_batches()
    sketch.update(keys, batch)
    return sketch.profile()


def _columns(table: pa.Table) -> Sequence[Column]:
    kinds = {pa.int64(): "int", pa.float64(): "float", pa.bool_(): "bool", pa.string(): "string"}
    return [
        Column(name=field.name, type=kinds[field.type])
        for field in table.schema
        if field.name != LABEL_COLUMN
    ]
