"""A small neural network, by Keras: preprocessing is layers of the model, with the profile as parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from tidemill_contracts.profile import ColumnProfile, Feature, NumericProfile, Profile
from tidemill_trainer.data import Columns, Rows, TrainingData
from tidemill_trainer.export import write_saved_model

HIDDEN_UNITS = (64, 32)
EMBEDDING_UNITS = 8
MAX_CATEGORIES = 256
MIN_CATEGORY_ROWS = 5
MAX_BINS = 32
CLIP_STDDEVS = 5.0
DROPOUT = 0.1
LEARNING_RATE = 2e-3
MAX_EPOCHS = 30
# Rows are in random order already; between epochs it is enough to stir them, which costs memory.
SHUFFLE_ROWS = 50_000
PATIENCE_EPOCHS = 2
VALIDATION_SHARE = 0.1
STEPS_PER_EPOCH = 64
BATCH_ROWS = (16, 256)
EVALUATION_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Deep:
    """A trained network. `model` takes the list of raw columns and returns logits, `[rows, 1]`."""

    model: Any
    features: tuple[Feature, ...]
    params: Mapping[str, int | float | str]
    curves: Mapping[str, tuple[float, ...]]

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return P(true) of each row, `[rows]`."""
        tensors = {name: tf.constant(values) for name, values in columns.items()}
        probabilities: NDArray[np.float32] = self._probability(tensors).numpy()
        return probabilities

    def export(self, folder: Path) -> None:
        """Write a SavedModel that takes raw features."""
        write_saved_model(folder, self.features, tracked=self.model, predict=self._probability)

    def _probability(self, tensors: Mapping[str, Any]) -> Any:
        inputs = [tensors[feature.name] for feature in self.features]
        return ops.sigmoid(self.model(inputs, training=False)[:, 0])


def fit(data: TrainingData) -> Deep:
    """Train until a tenth of the training rows, kept aside, says that more epochs do not help."""
    keras.utils.set_random_seed(data.seed)
    model = _build(data.features, data.profile)
    order = np.random.default_rng(data.seed).permutation(len(data.train))
    kept_aside, learned = np.split(order, [max(1, int(len(order) * VALIDATION_SHARE))])
    batch_rows = int(np.clip(len(learned) // STEPS_PER_EPOCH, *BATCH_ROWS))
    batches = _tensors(data.train.take(learned), data.features).shuffle(
        min(len(learned), SHUFFLE_ROWS), seed=data.seed
    )
    patience = keras.callbacks.EarlyStopping(patience=PATIENCE_EPOCHS, restore_best_weights=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(
        batches.batch(batch_rows).prefetch(2),
        validation_data=_tensors(data.train.take(kept_aside), data.features).batch(EVALUATION_BATCH_ROWS),
        epochs=MAX_EPOCHS,
        callbacks=[patience],
        shuffle=False,
        verbose=0,
    ).history
    curves = {
        "train_loss": tuple(map(float, history["loss"])),
        "validation_loss": tuple(map(float, history["val_loss"])),
    }
    params: dict[str, int | float | str] = {
        "hidden_units": str(HIDDEN_UNITS),
        "learning_rate": LEARNING_RATE,
        "batch_rows": batch_rows,
        "epochs": len(curves["train_loss"]),
    }
    return Deep(model, data.features, params, curves)


def _tensors(rows: Rows, features: Sequence[Feature]) -> Any:
    columns = tuple(rows.columns[feature.name] for feature in features)
    return tf.data.Dataset.from_tensor_slices((columns, rows.labels.astype(np.float32)))


def _build(features: Sequence[Feature], profile: Profile) -> Any:
    inputs = [
        keras.Input((), dtype="float32" if feature.kind == "numeric" else "string", name=f"feature_{index}")
        for index, feature in enumerate(features)
    ]
    columns = [
        (profile.column(feature.name), tensor) for feature, tensor in zip(features, inputs, strict=True)
    ]
    numeric = [column for column, feature in zip(columns, features, strict=True) if feature.kind == "numeric"]
    parts = [_embed(*column) for column in columns if column not in numeric]
    hidden = layers.concatenate([*parts, *(_encode(numeric) if numeric else ())])
    for units in HIDDEN_UNITS:
        hidden = layers.Dropout(DROPOUT)(layers.Dense(units, activation="relu")(hidden))
    return keras.Model(inputs, layers.Dense(1)(hidden))


def _embed(column: ColumnProfile, tensor: Any) -> Any:
    counted = column.categorical.vocabulary if column.categorical else ()
    frequent = [word for word, rows in counted if word and rows >= MIN_CATEGORY_ROWS]
    lookup = layers.StringLookup(vocabulary=frequent[:MAX_CATEGORIES] or [""])
    return layers.Embedding(lookup.vocabulary_size(), EMBEDDING_UNITS)(lookup(tensor))


def _encode(columns: Sequence[tuple[ColumnProfile, Any]]) -> Sequence[Any]:
    """Encode all numeric columns at once, each as its z-score, its quantile bin, and whether it is missing.

    The bins let the network treat ranges of a number (days, hours) as freely as trees do.
    """
    profiles = [column.numeric for column, _ in columns]
    values = ops.stack([tensor for _, tensor in columns], axis=1)
    missing = ops.isnan(values)
    mean = np.array([profile.mean if profile else 0.0 for profile in profiles], np.float32)
    stddev = np.array([(profile.stddev if profile else 0.0) or 1.0 for profile in profiles], np.float32)
    scores = ops.clip((values - mean) / stddev, -CLIP_STDDEVS, CLIP_STDDEVS)
    encoded = [ops.where(missing, 0.0, scores), ops.cast(missing, "float32")]
    edges = [_bin_edges(profile) for profile in profiles]
    if lower := [edge for column_edges in edges for edge in column_edges[:-1]]:
        upper = [edge for column_edges in edges for edge in column_edges[1:]]
        owner = [index for index, column_edges in enumerate(edges) for _ in column_edges[1:]]
        spread = ops.take(values, np.array(owner, np.int32), axis=1)
        inside = ops.logical_and(spread >= np.array(lower, np.float32), spread < np.array(upper, np.float32))
        encoded.append(ops.cast(inside, "float32"))
    return encoded


def _bin_edges(profile: NumericProfile | None) -> list[float]:
    """Return the edges of bins that share the rows out evenly; the outer ones are open."""
    inner = np.unique(np.array(profile.quantiles, np.float32))[1:] if profile else np.array([])
    if len(inner) > MAX_BINS:
        inner = inner[np.linspace(0, len(inner) - 1, MAX_BINS).round().astype(np.int64)]
    return [-np.inf, *inner.tolist(), np.inf] if len(inner) else []
