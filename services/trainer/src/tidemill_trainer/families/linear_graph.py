"""A linear model in TensorFlow, by the layers that networks have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_trainer.families.head import Head
from tidemill_trainer.families.heads import answers_of
from tidemill_trainer.families.layers import Bags, Ids, Slopes
from tidemill_trainer.families.linear_design import Design
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import WORD_BUCKETS
from tidemill_trainer.preprocessing.scaling import CYCLES


class LinearGraph(tf.Module):  # type: ignore[misc]
    """Answers encoded rows."""

    def __init__(
        self, design: Design, weights: NDArray[np.float32], bias: NDArray[np.float32], head: Head
    ) -> None:
        """Hand weights `[columns, outputs]` and biases `[outputs]` over to layers."""
        super().__init__()
        self._positions, self._texts, self._head = design.positions, len(design.plan.texts), head
        self._outputs = len(head.initial)
        scores, missing, ends, places, ids, words = np.split(weights, np.cumsum(design.blocks)[:-1])
        # What a number adds at its first end, it adds wherever it is, unless it is missing.
        at_first = ends[design.scaling.first_ends]
        inner = np.delete(np.diff(ends, axis=0), design.scaling.first_ends[1:] - 1, axis=0)
        self._scores, self._bias = tf.Variable(scores), tf.Variable(bias + at_first.sum(axis=0))
        if self._positions.numbers:
            self._scale = _with(Slopes(self._positions.numbers, self._outputs), inner, missing - at_first)
        self._places = _with(Ids(design.cycle_sizes, self._outputs), places)
        self._ids = _with(Ids(design.plan.id_sizes, self._outputs), ids)
        self._words = _with(Bags(self._texts, WORD_BUCKETS, self._outputs), words)
        self._firsts = np.array([CYCLES[part][0] for part in self._positions.cycles], np.float32)
        self._missing_places = np.array(design.cycle_sizes, np.int32) - 1

    @property
    def owners(self) -> Sequence[Any]:
        """Itself."""
        return (self,)

    def __call__(self, encoded: Encoded) -> Any:
        """Return answers, `[rows]` or `[rows, width]`."""
        return self.finish(self.total(encoded))

    def finish(self, total: Any) -> Any:
        """Return answers of what columns add up to."""
        return answers_of(self._head, total)

    def total(self, encoded: Encoded) -> Any:
        """Return what the columns add up to, `[rows, outputs]`."""
        outputs = self._bias[None]
        if self._positions.numbers:
            scores, added = self._scale(tf.gather(encoded.numbers, self._positions.scaled, axis=1))
            outputs += added + tf.matmul(scores, self._scores)
        if self._positions.cycles:
            parts = tf.gather(encoded.numbers, self._positions.cyclic, axis=1)
            places = tf.cast(parts - self._firsts, tf.int32)
            outputs += self._summed(
                self._places(tf.where(tf.math.is_nan(parts), self._missing_places, places))
            )
        if self._ids.weights[0].shape[0]:
            outputs += self._summed(self._ids(encoded.ids))
        if self._texts:
            outputs += self._summed(self._words(encoded.words))
        return outputs

    def _summed(self, parts: Any) -> Any:
        return tf.reduce_sum(tf.reshape(parts, (-1, parts.shape[1] // self._outputs, self._outputs)), axis=1)


def _with(layer: Any, *weights: NDArray[np.float32]) -> Any:
    layer.build(None)
    shapes = (weight.shape for weight in layer.weights)
    layer.set_weights([np.reshape(given, shape) for given, shape in zip(weights, shapes, strict=True)])
    return layer
