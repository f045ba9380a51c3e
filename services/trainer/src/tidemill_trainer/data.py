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
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN, DatasetManifest
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Feature, Profile
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.belonging import APART, Belonging, belonging_of, columns_of, noting
from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.objective import Objective, make_objective
from tidemill_trainer.sampling import are_chosen, sampled, share_to_read

# As serving gets them: float32, or objects that are `str`.
Columns = Mapping[str, NDArray[Any]]

NUMBER, TEXT = np.dtype(np.float32), np.dtype(object)


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, the label of each row, and how much it counts.

    Args:
        table: The features.
        labels: bool, int32 indices of classes (-1: one that training did not have), or float32, `[rows]`.
        weights: `[rows]`, at least 0; None: all alike.
    """

    table: pa.Table
    labels: NDArray[Any]
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Rows":
        """Return the rows at the indices, in their order."""
        weights = None if self.weights is None else self.weights[indices]
        return Rows(self.table.take(indices), self.labels[indices], weights)

    def columns(self) -> Columns:
        """Return all rows as serving gets them."""
        return {name: _served(self.table[name]) for name in self.table.column_names}

    def batches(self, rows: int) -> Iterator[Columns]:
        """Yield all rows as serving gets them, some at a time."""
        for start in range(0, len(self), rows):
            part = self.table.slice(start, rows)
            yield {name: _served(part[name]) for name in part.column_names}


@dataclass(frozen=True)
class TrainingData:
    """All a family may learn from. `held_out` is for evaluation alone.

    `belonging` is what the split goes by, of the training rows. Where not all rows fit into the memory,
    `rows_available` are more than there are, and `held_out_places` say which of the held-out ones are here;
    None: all.
    """

    pipeline: str
    features: tuple[Feature, ...]
    crosses: tuple[tuple[str, ...], ...]
    profile: Profile
    train: Rows
    held_out: Rows
    seed: int
    objective: Objective
    belonging: Belonging = APART
    rows_available: int = 0
    held_out_places: NDArray[np.int64] | None = None

    def scored(self, answers: NDArray[np.float32]) -> Scored:
        """Hold answers to the held-out rows against what was true."""
        return self.objective.scored(self.held_out.labels, answers, self.held_out.weights)


def read_manifest(store: ObjectStore, pipeline: str, dataset_id: str) -> DatasetManifest:
    """Return what is known of a dataset version; raise ObjectNotFound when there is none."""
    return DatasetManifest.model_validate_json(
        store.read(layout.dataset(pipeline, dataset_id, "manifest.json"))
    )


def load_dataset(store: ObjectStore, manifest: DatasetManifest, spec: PipelineSpec) -> TrainingData:
    """Read a dataset version, or as much as fits; raise ObjectNotFound when a part of it is missing.

    Raises ValueError for a spec that asks of its label what it does not have.
    """

    def content(file: str) -> bytes:
        return store.read(layout.dataset(manifest.pipeline, manifest.dataset_id, file))

    profile = Profile.model_validate_json(content("profile.json"))
    classes = [name for name, _ in profile.label.classes]
    columns = [*(feature.name for feature in manifest.features), LABEL_COLUMN]
    columns += [WEIGHT_COLUMN] * manifest.weighted
    share = share_to_read(manifest, profile, spec.training)

    def read(files: Sequence[str], also: Sequence[str] = ()) -> Iterator[pa.Table]:
        wanted = list(dict.fromkeys([*columns, *also]))
        return sampled((table for file in files for table in _read_tables(content(file), wanted)), share)

    noted: list[pa.Table] = []
    deciding = columns_of(spec.split)
    train = to_rows(noting(read(manifest.train_files, deciding), deciding, noted), manifest.features, classes)
    return TrainingData(
        pipeline=manifest.pipeline,
        features=manifest.features,
        crosses=manifest.crosses,
        profile=profile,
        train=train,
        held_out=to_rows(read(manifest.eval_files), manifest.features, classes),
        seed=spec.training.seed,
        objective=make_objective(spec, profile.label, train.labels, train.weights),
        belonging=belonging_of(noted, spec.split),
        rows_available=manifest.rows_train,
        held_out_places=np.flatnonzero(are_chosen(0, manifest.rows_eval, share)) if share < 1 else None,
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


def to_rows(tables: Iterable[pa.Table], features: Sequence[Feature], classes: Sequence[str] = ()) -> Rows:
    """Convert and join tables that hold the features, the label, which is never null, and maybe weights.

    Labels that are texts become their indices in `classes`.
    """
    parts, labels, weights = [], [], []
    for table in tables:
        labels.append(_labels(table[LABEL_COLUMN], classes))
        if WEIGHT_COLUMN in table.column_names:
            weights.append(table[WEIGHT_COLUMN].to_numpy().astype(np.float32))
        parts.append(pa.table({feature.name: _stored(table[feature.name], feature) for feature in features}))
    return Rows(
        pa.concat_tables(parts).unify_dictionaries(),
        np.concatenate(labels),
        np.concatenate(weights) if weights else None,
    )


def _read_tables(content: bytes, columns: Sequence[str]) -> Iterator[pa.Table]:
    file = pq.ParquetFile(pa.BufferReader(content))
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=columns)


def _labels(column: pa.ChunkedArray, classes: Sequence[str]) -> NDArray[Any]:
    if pa.types.is_boolean(column.type):
        return np.asarray(column, np.bool_)
    if pa.types.is_floating(column.type):
        return np.asarray(column, np.float32)
    indices = pc.index_in(column.cast(pa.string()), pa.array(classes, pa.string()))
    return np.asarray(indices.fill_null(-1), np.int32)


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
