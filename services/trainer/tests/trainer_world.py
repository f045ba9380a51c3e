"""What the trainer's tests share: intents, manifests, and dataset versions of real flights."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, DatasetManifest, GoldenPredictions, ModelManifest
from tidemill_contracts.pipeline import Metadata, Pipeline, PipelineSpec
from tidemill_contracts.profile import (
    ColumnProfile,
    ColumnType,
    Feature,
    LabelProfile,
    NumericProfile,
    Profile,
    Task,
)
from tidemill_runtime import sequence
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.trainings import Training, model_id

FLIGHTS = Path(__file__).parents[3] / "examples/flights/flights-2013-01.csv"
PIPELINE = Pipeline(metadata=Metadata(name="flights"), spec=PipelineSpec(label="late"))
FEATURES = (
    Feature(name="day", kind="numeric"),
    Feature(name="Sched. dep (h)", kind="numeric"),
    Feature(name="distance", kind="numeric"),
    Feature(name="weekend", kind="numeric"),
    Feature(name="carrier", kind="categorical"),
    Feature(name="Carrier", kind="categorical"),
)


def a_training(dataset: int = 1, pipeline: str = "flights") -> Training:
    """An intent to train on a dataset version."""
    dataset_id = f"{pipeline}-{dataset}"
    return Training(
        pipeline=pipeline,
        model_id=model_id(dataset_id, PIPELINE.digest()),
        dataset=dataset,
        dataset_id=dataset_id,
        newest_span=dataset,
        spec_digest=PIPELINE.digest(),
        correlation_id=f"drop-{dataset}",
        causation_id=f"event-{dataset}",
        accepted_at=datetime(2026, 1, dataset, tzinfo=UTC),
    )


def commit_model(store: ObjectStore, training: Training, **changes: Any) -> bool:
    """Do what a job does at its end; False when that was done before."""
    facts: dict[str, Any] = {
        **training.model_dump(
            include={"pipeline", "model_id", "dataset", "dataset_id", "newest_span", "spec_digest"}
        ),
        "version": sequence.Sequence(store, layout.MODEL_SEQUENCE, training.pipeline).allocate(
            training.model_id
        ),
        "family": "deep",
        "metrics": {"roc_auc": 0.75},
        "candidates": {"deep": {"roc_auc": 0.75}},
        "champion": None,
        "champion_metrics": None,
        "blessed": True,
        "reasons": (),
        "golden": GoldenPredictions(inputs={}, outputs={}),
        "trained_at": training.accepted_at,
        "tracking": {},
    }
    manifest = ModelManifest(**{**facts, **changes})
    name = layout.model_manifest(training.pipeline, training.model_id)
    return store.create(name, manifest.model_dump_json().encode())


def write_dataset(
    store: ObjectStore, training: Training, *, rows: int, noise: bool = False, task: Task = "binary"
) -> None:
    """Write a dataset version of `rows` real flights as transform does, and the pinned spec.

    The label is learnable from few rows, unless that of the training rows is to be noise.
    """
    is_held_out = pa.array(np.arange(rows) % 5 == 0)
    table = _flights(rows)
    train, held_out = table.filter(pc.invert(is_held_out)), table.filter(is_held_out)
    if noise:
        label = pa.array(np.random.default_rng(1).random(len(train)) < 0.3)
        train = train.set_column(train.column_names.index(LABEL_COLUMN), LABEL_COLUMN, label)

    def put(file: str, data: bytes) -> None:
        store.write(layout.dataset(training.pipeline, training.dataset_id, file), data)

    for file, part in (("train/part.parquet", train), ("eval/part.parquet", held_out)):
        sink = pa.BufferOutputStream()
        pq.write_table(part, sink)
        put(file, sink.getvalue().to_pybytes())
    put("profile.json", profile_of(train, FEATURES).model_dump_json().encode())
    manifest = dataset_manifest(training, len(train), len(held_out), task)
    put("manifest.json", manifest.model_dump_json().encode())
    store.create(layout.pinned_spec(training.pipeline, PIPELINE.digest()), PIPELINE.to_json().encode())


def _flights(rows: int) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    raw = pyarrow.csv.read_csv(FLIGHTS, convert_options=options)
    raw = raw.filter(pc.is_valid(raw["arr_delay"])).take(np.random.default_rng(0).permutation(26_000)[:rows])
    gaps = pa.array(np.arange(rows) % 10 == 0)
    lateness = pc.add(raw["arr_delay"], pc.multiply(raw["hour"], 4))
    columns = {
        "day": raw["day"],
        "Sched. dep (h)": raw["hour"],
        "distance": pc.if_else(gaps, None, pc.cast(raw["distance"], pa.float64())),
        "weekend": pc.greater(raw["day"], 20),
        "carrier": raw["carrier"],
        "Carrier": pc.if_else(gaps, None, raw["carrier"]),
        "not a feature": raw["time_hour"],
        LABEL_COLUMN: pc.greater(lateness, 60),
    }
    return pa.table(columns)


def profile_of(table: pa.Table, features: Sequence[Feature]) -> Profile:
    """Profile training rows, of which the label is a column."""
    columns = tuple(_column_profile(feature.name, table[feature.name]) for feature in features)
    return Profile(rows=len(table), label=_label_profile(table[LABEL_COLUMN]), columns=columns)


def _label_profile(label: pa.ChunkedArray) -> LabelProfile:
    if pa.types.is_floating(label.type):
        return LabelProfile(task="regression", numeric=_numeric_profile(label))
    texts = label.cast(pa.string())
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(texts).to_pylist()}
    if pa.types.is_boolean(label.type):
        classes = (("false", counts.get("false", 0)), ("true", counts.get("true", 0)))
        return LabelProfile(task="binary", classes=classes)
    return LabelProfile(task="multiclass", classes=tuple(sorted(counts.items())))


def _column_profile(name: str, column: pa.ChunkedArray) -> ColumnProfile:
    is_text = pa.types.is_string(column.type)
    return ColumnProfile(
        name=name,
        type=_type(column.type),
        rows=len(column),
        nulls=column.null_count,
        distinct_estimate=len(column.unique()),
        numeric=None if is_text else _numeric_profile(column.drop_null()),
    )


def _type(type_: pa.DataType) -> ColumnType:
    if pa.types.is_boolean(type_):
        return "bool"
    if pa.types.is_integer(type_):
        return "int"
    if pa.types.is_timestamp(type_):
        return "timestamp"
    return "string" if pa.types.is_string(type_) else "float"


def _numeric_profile(values: pa.ChunkedArray) -> NumericProfile:
    if pa.types.is_timestamp(values.type):
        values = pc.divide(values.cast(pa.int64()), 10**6)
    numbers = np.array(values.to_pylist(), np.float64)
    finite = numbers[np.isfinite(numbers)]
    return NumericProfile(
        minimum=finite.min(),
        maximum=finite.max(),
        mean=finite.mean(),
        stddev=finite.std(),
        quantiles=tuple(np.quantile(finite, np.linspace(0, 1, 101))),
        infinities=len(numbers) - len(finite),
    )


def dataset_manifest(training: Training, rows_train: int, rows_eval: int, task: Task) -> DatasetManifest:
    return DatasetManifest(
        **training.model_dump(include={"pipeline", "dataset", "dataset_id", "spec_digest"}),
        spans=(training.dataset,),
        span_ids=(f"span-{training.dataset}",),
        rows_in=rows_train + rows_eval,
        rows_train=rows_train,
        rows_eval=rows_eval,
        rows_unlabelled=0,
        task=task,
        train_files=("train/part.parquet",),
        eval_files=("eval/part.parquet",),
        features=FEATURES,
        left_out=(),
        seconds=1,
    )
