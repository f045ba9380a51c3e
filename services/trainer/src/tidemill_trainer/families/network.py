"""The network itself: what encoded rows become, and residual blocks over it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tidemill_trainer.families import Params
from tidemill_trainer.families.layers import Bags, Cycles, Ids, Steps
from tidemill_trainer.preprocessing.plan import WORD_BUCKETS, Plan
from tidemill_trainer.preprocessing.scaling import find_positions

WORD_UNITS = 16


class Network(keras.Model):  # type: ignore[misc]
    """Residual blocks over scores and bins of numbers, cycles of time, and embeddings of ids and words."""

    def __init__(self, plan: Plan, initial: Sequence[float], params: Params) -> None:
        """Make a network for the columns of a plan, that answers `initial` before it is trained."""
        super().__init__()
        width, units = int(params["width"]), int(params["category_units"])
        self._positions = positions = find_positions(plan)
        self._scale = Steps(positions.numbers, width) if positions.numbers else None
        self._cycles = Cycles(positions.cycles) if positions.cycles else None
        self._ids = Ids(plan.id_sizes, units) if plan.id_sizes else None
        self._bags = Bags(len(plan.texts), WORD_BUCKETS, WORD_UNITS) if plan.texts else None
        # Without numbers, a bias of 0 would let nothing be learned: embeddings begin at 0 too.
        self._first = layers.Dense(width, bias_initializer="random_uniform")
        self._blocks = [Block(width, float(params["dropout"])) for _ in range(int(params["blocks"]))]
        self._dropout = layers.Dropout(float(params["dropout"]))
        bias = keras.initializers.Constant(np.array(initial, np.float32))
        self._last = layers.Dense(len(initial), kernel_initializer="zeros", bias_initializer=bias)

    def call(self, inputs: Any, *, training: bool = False) -> Any:
        """Return outputs, `[rows, len(initial)]`."""
        return self.finish(self.total(inputs), training=training)

    def total(self, inputs: Any) -> Any:
        """Return what the columns add up to, `[rows, width]`: each adds its own part, whatever others say."""
        numbers, ids, words = inputs
        parts, binned = [], None
        if self._scale:
            scores, binned = self._scale(_of(numbers, self._positions.scaled))
            parts.append(scores)
        if self._cycles:
            parts.append(self._cycles(_of(numbers, self._positions.cyclic)))
        if self._ids:
            parts.append(self._ids(ids))
        if self._bags:
            parts.append(self._bags(words))
        hidden = self._first(tf.concat(parts, axis=1))
        return hidden if binned is None else hidden + binned

    def finish(self, total: Any, *, training: bool = False) -> Any:
        """Return outputs, `[rows, len(initial)]`, of what columns add up to."""
        hidden = tf.nn.relu(total)
        for block in self._blocks:
            hidden = block(hidden, training=training)
        return self._last(self._dropout(hidden, training=training))


class Block(layers.Layer):  # type: ignore[misc]
    """Adds to its inputs, `[rows, width]`, what a layer makes of them."""

    def __init__(self, width: int, dropout: float) -> None:
        """Fix the width."""
        super().__init__()
        self._inner = layers.Dense(width, activation="relu")
        # With a bias, TensorFlow's graph optimiser would try to fuse this with what follows, and fail.
        self._outer = layers.Dense(width, use_bias=False)
        self._dropout = layers.Dropout(dropout)

    def build(self, shape: Any) -> None:
        self._inner.build(shape)
        self._outer.build(shape)

    def call(self, inputs: Any, *, training: bool = False) -> Any:
        inner = self._inner(self._dropout(inputs, training=training))
        return tf.nn.relu(inputs + self._outer(self._dropout(inner, training=training)))


def _of(numbers: Any, positions: list[int]) -> Any:
    return numbers if len(positions) == numbers.shape[1] else tf.gather(numbers, positions, axis=1)
