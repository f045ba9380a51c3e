"""A dataset version in memory, and the form in which serving gets its columns.

Serving gets numbers (float32, NaN: missing) and texts ("": missing), among them points in time (ISO 8601).
In memory most columns are smaller: Arrow holds categories as codes and points in time as integers, and rows
become what serving gets when they are read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, DatasetManifest
from tidemill_contracts.profile import Feature, Profile
from tidemill_runtime.objects import ObjectStore

# As serving gets them: float32, or objects that are `str`.
Columns = Mapping[str, NDArray[Any]]

NUMBER, TEXT = np.dtype(np.float32), np.dtype(object)


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, and the label of each row (bool, `[rows]`)."""

    table: pa.Table
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Rows":
        """Return the rows at the indices, in their order."""
        return Rows(self.table.take(indices), self.labels[indices])

    def columns(self) -> Columns:
        """Return all rows as serving gets them."""
        return {name: _served(self.table[name]) for name in self.table.column_names}

    def batches(self, rows: int) -> Iterator[Columns]:
        """Yield all rows as serving gets them, some at a time."""
        for start in range(0, len(self), rows):
            yield Rows(self.table.slice(start, rows), self.labels[start : start + rows]).columns()


@dataclass(frozen=True)
class TrainingData:
    """All a family may learn from. `held_out` is for evaluation alone."""

    pipeline: str
    features: tuple[Feature, ...]
    crosses: tuple[tuple[str, ...], ...]
    profile: Profile
    train: Rows
    held_out: Rows
    seed: int

    @property
    def base_rate(self) -> float:
        """Share of true labels in training: what the constant model, the baseline, predicts."""
        return self.profile.label.base_rate


def read_manifest(store: ObjectStore, pipeline: str, dataset_id: str) -> DatasetManifest:
    """Return what is known of a dataset version; raise ObjectNotFound when there is none."""
    return DatasetManifest.model_validate_json(
        store.read(layout.dataset(pipeline, dataset_id, "manifest.json"))
    )


def load_dataset(store: ObjectStore, manifest: DatasetManifest, *, seed: int) -> TrainingData:
    """Read a dataset version; raise ObjectNotFound when a part of it is missing."""

    def content(file: str) -> bytes:
        return store.read(layout.dataset(manifest.pipeline, manifest.dataset_id, file))

    def read(files: Sequence[str]) -> Rows:
        tables = (table for file in files for table in _read_tables(content(file), manifest.features))
        return to_rows(tables, manifest.features)

    return TrainingData(
        pipeline=manifest.pipeline,
        features=manifest.features,
        crosses=manifest.crosses,
        profile=Profile.model_validate_json(content("profile.json")),
        train=read(manifest.train_files),
        held_out=read(manifest.eval_files),
        seed=seed,
    )


def dtype_of(feature: Feature) -> np.dtype[Any]:
    """Return what serving gets of a feature: numbers or texts."""
    return NUMBER if feature.kind == "numeric" else TEXT


def missing(dtype: np.dtype[Any], rows: int) -> NDArray[Any]:
    """Return a column without a single value."""
    return np.full(rows, "" if dtype == TEXT else np.nan, dtype)


def as_inputs(columns: Columns, dtypes: Mapping[str, np.dtype[Any]]) -> Columns:
    """Return the columns a model asks for; one that is absent, or of another type, has no values."""
    rows = len(next(iter(columns.values())))
    return {
        name: columns[name] if name in columns and columns[name].dtype == dtype else missing(dtype, rows)
        for name, dtype in dtypes.items()
    }


def to_rows(tables: Iterable[pa.Table], features: Sequence[Feature]) -> Rows:
    """Convert and join tables that hold the features and the label, which is never null."""
    parts, labels = [], []
    for table in tables:
        labels.append(table[LABEL_COLUMN].to_numpy().astype(np.bool_))
        parts.append(pa.table({feature.name: _stored(table[feature.name], feature) for feature in features}))
    return Rows(pa.concat_tables(parts).unify_dictionaries(), np.concatenate(labels))


def _read_tables(content: bytes, features: Sequence[Feature]) -> Iterator[pa.Table]:
    file = pq.ParquetFile(pa.BufferReader(content))
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=[*(feature.name for feature in features), LABEL_COLUMN])


def _stored(column: pa.ChunkedArray, feature: Feature) -> Any:
    if feature.kind == "numeric":
        return _numbers(column)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us"))
    texts = column.cast(pa.string()).fill_null("")
    return texts.dictionary_encode() if feature.kind == "categorical" else texts


def _served(column: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_timestamp(column.type):
        times = column.to_numpy().astype("datetime64[s]")
        texts = np.datetime_as_string(times, timezone="UTC").astype(object)
        return np.where(np.isnat(times), "", texts)
    if pa.types.is_dictionary(column.type):
        # Rows with equal values share one string.
        codes = column.combine_chunks()
        words: NDArray[np.object_] = codes.dictionary.to_numpy(zero_copy_only=False)
        served: NDArray[Any] = words[codes.indices.to_numpy()]
        return served
    values: NDArray[Any] = column.to_numpy()
    return values


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float32]:
    # By way of integers: Arrow has no cast from bool to a floating type.
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float32] = values.cast(pa.float64(), safe=False).to_numpy().astype(np.float32)
    return np.where(np.isfinite(numbers), numbers, np.float32(np.nan))
