"""A small neural network, by Keras, over encoded rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tidemill_trainer.data import Columns
from tidemill_trainer.export import write_saved_model
from tidemill_trainer.families import Examples
from tidemill_trainer.families.layers import Bags, Cycles, Ids, Scale
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.graph import Preprocessor
from tidemill_trainer.preprocessing.plan import WORD_BUCKETS, Plan
from tidemill_trainer.preprocessing.scaling import year_number

HIDDEN_UNITS = (64, 32)
CATEGORY_UNITS = 8
WORD_UNITS = 16
DROPOUT = 0.1
LEARNING_RATE = 2e-3
MAX_EPOCHS = 30
PATIENCE_EPOCHS = 2
VALIDATION_SHARE = 0.1
STEPS_PER_EPOCH = 64
BATCH_ROWS = (16, 256)
# Steps that TensorFlow takes before Python has its say.
STEPS_AT_ONCE = 16
EVALUATION_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Deep:
    """A trained network. `model` takes encoded rows and returns logits, `[rows, 1]`."""

    model: Any
    plan: Plan
    preprocessor: Preprocessor
    params: Mapping[str, int | float | str]
    curves: Mapping[str, tuple[float, ...]]

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return P(true) of each row, `[rows]`."""
        encoded = Encoded(*map(tf.constant, self.preprocessor.encode(columns)))
        probabilities: NDArray[np.float32] = self._probability(encoded).numpy()
        return probabilities

    def export(self, folder: Path) -> None:
        """Write a SavedModel that takes raw features."""
        write_saved_model(
            folder,
            self.plan.features,
            tracked=(self.model, self.preprocessor),
            predict=lambda raw: self._probability(self.preprocessor(raw)),
        )

    def _probability(self, encoded: Encoded) -> Any:
        return tf.sigmoid(self.model(tuple(encoded), training=False)[:, 0])


class Network(keras.Model):  # type: ignore[misc]
    """Dense layers over scores and bins of numbers, cycles of time, and embeddings of ids and words."""

    def __init__(self, plan: Plan) -> None:
        """Make a network for the columns of a plan."""
        super().__init__()
        parts = [(moment, part) for moment in plan.moments for part in moment.parts]
        position = len(plan.numbers)
        self._scaled = [
            *range(position),
            *(position + i for i, (_, part) in enumerate(parts) if part == "year"),
        ]
        self._cyclic = [position + i for i, (_, part) in enumerate(parts) if part != "year"]
        years = [year_number(moment) for moment, part in parts if part == "year"]
        self._scale = Scale([*plan.numbers, *years], HIDDEN_UNITS[0]) if self._scaled else None
        self._cycles = Cycles([part for _, part in parts if part != "year"]) if self._cyclic else None
        self._ids = Ids(plan.id_sizes, CATEGORY_UNITS) if plan.id_sizes else None
        self._bags = Bags(len(plan.texts), WORD_BUCKETS, WORD_UNITS) if plan.texts else None
        # Every number has a bin, so bins hold the bias. TensorFlow's graph optimiser would try to fuse a bias
        # with what is around it here, and fail. Without numbers, a bias of 0 would let nothing be learned.
        self._first = layers.Dense(
            HIDDEN_UNITS[0], use_bias=not self._scaled, bias_initializer="random_uniform"
        )
        self._second = layers.Dense(HIDDEN_UNITS[1], activation="relu")
        self._dropout = layers.Dropout(DROPOUT)
        self._last = layers.Dense(1)

    def call(self, inputs: Any, *, training: bool = False) -> Any:
        """Return logits, `[rows, 1]`."""
        numbers, ids, words = inputs
        parts, binned = [], None
        if self._scale:
            scores, binned = self._scale(_of(numbers, self._scaled))
            parts.append(scores)
        if self._cycles:
            parts.append(self._cycles(_of(numbers, self._cyclic)))
        if self._ids:
            parts.append(self._ids(ids))
        if self._bags:
            parts.append(self._bags(words))
        hidden = self._first(tf.concat(parts, axis=1))
        hidden = tf.nn.relu(hidden if binned is None else hidden + binned)
        hidden = self._second(self._dropout(hidden, training=training))
        return self._last(self._dropout(hidden, training=training))


def fit(examples: Examples) -> Deep:
    """Train until a tenth of the training rows, kept aside, says that more epochs do not help."""
    keras.utils.set_random_seed(examples.seed)
    network = Network(examples.plan)
    order = np.random.default_rng(examples.seed).permutation(len(examples.labels))
    kept_aside, learned = np.split(order, [max(1, int(len(order) * VALIDATION_SHARE))])
    batch_rows = int(np.clip(len(learned) // STEPS_PER_EPOCH, *BATCH_ROWS))
    network.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.BinaryCrossentropy(from_logits=True),
        steps_per_execution=STEPS_AT_ONCE,
        jit_compile=False,
    )
    history = network.fit(
        *_tensors(examples, learned),
        batch_size=batch_rows,
        validation_data=_tensors(examples, kept_aside),
        validation_batch_size=EVALUATION_BATCH_ROWS,
        epochs=MAX_EPOCHS,
        callbacks=[keras.callbacks.EarlyStopping(patience=PATIENCE_EPOCHS, restore_best_weights=True)],
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
    return Deep(network, examples.plan, Preprocessor(examples.plan), params, curves)


def _tensors(examples: Examples, rows: NDArray[np.int64]) -> tuple[Any, Any]:
    return tuple(examples.encoded.take(rows)), examples.labels[rows].astype(np.float32)


def _of(numbers: Any, positions: list[int]) -> Any:
    return numbers if len(positions) == numbers.shape[1] else tf.gather(numbers, positions, axis=1)
