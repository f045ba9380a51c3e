"""A dataset version in memory, in the form that both training and serving read.

A numeric column is float32 where NaN means missing (so do infinities in the data); a categorical one is an
object array of `str` where "" means missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, DatasetManifest
from tidemill_contracts.profile import Feature, FeatureKind, Profile
from tidemill_runtime.objects import ObjectStore

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, and the label of each row (bool, `[rows]`)."""

    columns: Columns
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Rows":
        """Return the rows at the indices, in their order."""
        return Rows({name: values[indices] for name, values in self.columns.items()}, self.labels[indices])


@dataclass(frozen=True)
class TrainingData:
    """All a family may learn from. `held_out` is for evaluation alone."""

    pipeline: str
    features: tuple[Feature, ...]
    profile: Profile
    train: Rows
    held_out: Rows
    seed: int

    @property
    def base_rate(self) -> float:
        """Share of true labels in training: what the constant model, the baseline, predicts."""
        return self.profile.positives / self.profile.rows


def load_dataset(store: ObjectStore, pipeline: str, dataset_id: str, *, seed: int) -> TrainingData:
    """Read a dataset version; raise ObjectNotFound when a part of it is missing."""
    manifest = DatasetManifest.model_validate_json(
        store.read(layout.dataset(pipeline, dataset_id, "manifest.json"))
    )
    profile = Profile.model_validate_json(store.read(layout.dataset(pipeline, dataset_id, "profile.json")))

    def read(files: Sequence[str]) -> Rows:
        tables = [_read_table(store, layout.dataset(pipeline, dataset_id, file), manifest) for file in files]
        return to_rows(tables, manifest.features)

    return TrainingData(
        pipeline=pipeline,
        features=manifest.features,
        profile=profile,
        train=read(manifest.train_files),
        held_out=read(manifest.eval_files),
        seed=seed,
    )


def missing(kind: FeatureKind, rows: int) -> NDArray[Any]:
    """Return a column without a single value."""
    return np.full(rows, np.nan, np.float32) if kind == "numeric" else np.full(rows, "", object)


def as_inputs(columns: Columns, kinds: Mapping[str, FeatureKind], rows: int) -> Columns:
    """Return the columns a model asks for; one that is absent, or of another kind, has no values."""
    dtypes = {"numeric": np.dtype(np.float32), "categorical": np.dtype(object)}
    return {
        name: columns[name]
        if name in columns and columns[name].dtype == dtypes[kind]
        else missing(kind, rows)
        for name, kind in kinds.items()
    }


def _read_table(store: ObjectStore, name: str, manifest: DatasetManifest) -> pa.Table:
    wanted = [feature.name for feature in manifest.features]
    return pq.read_table(pa.BufferReader(store.read(name)), columns=[*wanted, LABEL_COLUMN])


def to_rows(tables: Sequence[pa.Table], features: Sequence[Feature]) -> Rows:
    """Convert and join tables that hold the features and the label, which is never null."""

    def joined(feature: Feature) -> NDArray[Any]:
        convert = _numbers if feature.kind == "numeric" else _strings
        return np.concatenate([convert(table[feature.name]) for table in tables])

    labels = np.concatenate([table[LABEL_COLUMN].to_numpy() for table in tables]).astype(np.bool_)
    return Rows({feature.name: joined(feature) for feature in features}, labels)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float32]:
    # By way of integers: Arrow has no cast from bool to a floating type.
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float32] = values.cast(pa.float64(), safe=False).to_numpy().astype(np.float32)
    return np.where(np.isfinite(numbers), numbers, np.float32(np.nan))


def _strings(column: pa.ChunkedArray) -> NDArray[np.object_]:
    filled = column.cast(pa.string()).fill_null("").combine_chunks()
    # Rows with equal values share one string: a column costs a pointer per row.
    encoded = filled.dictionary_encode()
    words: NDArray[np.object_] = encoded.dictionary.to_numpy(zero_copy_only=False)
    rows: NDArray[np.object_] = words[encoded.indices.to_numpy()]
    return rows
