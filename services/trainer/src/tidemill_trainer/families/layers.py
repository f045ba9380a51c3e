"""Layers that read encoded columns. Their tables begin at zero: what training has not seen adds nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tidemill_contracts.profile import TimePart
from tidemill_trainer.families.number_scaling import NumberScaling
from tidemill_trainer.preprocessing.plan import Number
from tidemill_trainer.preprocessing.scaling import CYCLES


class Numbers(layers.Layer):  # type: ignore[misc]
    """Numbers, `[rows, columns]`: to scores of that shape, and to `[rows, units]`, what they add up to.

    A missing number has the score 0, and adds what is learned of missing ones.
    """

    def __init__(self, numbers: Sequence[Number], units: int) -> None:
        """Fix what is known of the numbers."""
        super().__init__()
        self._units, self._scaling = units, NumberScaling(numbers)

    def call(self, numbers: Any) -> Any:
        scaling = self._scaling
        if not np.isnan(scaling.fill).all():
            numbers = tf.where(tf.math.is_nan(numbers), scaling.fill, numbers)
        missing, added = tf.math.is_nan(numbers), self._added(numbers)
        if scaling.is_log.any():
            logarithms = tf.sign(numbers) * tf.math.log1p(tf.abs(numbers))
            numbers = tf.where(scaling.is_log, logarithms, numbers)
        scores = (numbers - scaling.means) * scaling.factors
        scores = tf.minimum(tf.maximum(scores, -scaling.limits), scaling.limits)
        return tf.where(missing, np.float32(0), scores), added

    def _added(self, numbers: Any) -> Any:
        raise NotImplementedError


class Steps(Numbers):
    """Each bin of a number adds its own: ranges (days, hours) are treated as freely as trees treat them."""

    def build(self, _shape: Any) -> None:
        # One end alone bounds no bin.
        ends = [known if len(known) > 1 else known[:0] for known in self._scaling.ends_by_column]
        self._ends = np.full((len(ends), max(map(len, ends)) + 1), np.inf, np.float32)
        for row, known in zip(self._ends, ends, strict=True):
            row[: len(known)] = known
        columns, places = self._ends.shape
        # One more than there are places between ends: a missing number is beyond the last one.
        self._first_bins = np.arange(columns, dtype=np.int32) * (places + 1)
        self._bins = self.add_weight((columns * (places + 1), self._units), "zeros", name="bins")

    def _added(self, numbers: Any) -> Any:
        bins = tf.raw_ops.UpperBound(sorted_inputs=self._ends, values=tf.transpose(numbers))
        return tf.reduce_sum(tf.gather(self._bins, bins + self._first_bins[:, None]), axis=0)


class Slopes(Numbers):
    """What a number adds is piecewise linear: how far it is into each of its bins is weighed on its own
    (Gorishniy et al., On Embeddings for Numerical Features, 2022).
    """

    def build(self, _shape: Any) -> None:
        ends = self._scaling.ends_by_column
        bins = [known[:-1] for known in ends]
        self._columns = np.repeat(np.arange(len(bins), dtype=np.int32), list(map(len, bins)))
        self._starts = np.concatenate(bins)
        self._steepness = 1 / np.concatenate([np.diff(known) for known in ends])
        self._bins = self.add_weight((len(self._starts), self._units), "zeros", name="bins")
        self._missing = self.add_weight((len(ends), self._units), "zeros", name="missing")

    def _added(self, numbers: Any) -> Any:
        missing = tf.math.is_nan(numbers)
        added = tf.matmul(tf.cast(missing, tf.float32), self._missing)
        if not len(self._starts):
            return added
        # What is missing is before all bins.
        known = tf.gather(tf.where(missing, np.float32(-np.inf), numbers), self._columns, axis=1)
        within = (known - self._starts) * self._steepness
        return added + tf.matmul(tf.minimum(tf.maximum(within, np.float32(0)), np.float32(1)), self._bins)


class Cycles(layers.Layer):  # type: ignore[misc]
    """Parts of time, `[rows, columns]`: to `[rows, 4 * columns]`, each evenly scaled, as sine and cosine of
    its place in the cycle, and whether it is missing.
    """

    def __init__(self, parts: Sequence[TimePart]) -> None:
        """Fix the parts."""
        super().__init__()
        tables = [_cycle_table(CYCLES[part][1]) for part in parts]
        ends = np.cumsum([len(table) for table in tables])
        self._table = np.concatenate(tables)
        self._missing = (ends - 1).astype(np.int32)
        firsts = np.array([CYCLES[part][0] for part in parts])
        self._first_rows = (ends - [len(table) for table in tables] - firsts).astype(np.float32)

    def call(self, parts: Any) -> Any:
        rows = tf.where(tf.math.is_nan(parts), self._missing, tf.cast(parts + self._first_rows, tf.int32))
        return tf.reshape(tf.gather(self._table, rows), (-1, 4 * len(self._missing)))


class Ids(layers.Layer):  # type: ignore[misc]
    """Ids, `[rows, columns]`, each below its column's size: to embeddings, `[rows, columns * units]`."""

    def __init__(self, sizes: Sequence[int], units: int) -> None:
        """Fix the sizes."""
        super().__init__()
        self._sizes = np.array(sizes)
        self._first_rows = (np.cumsum(self._sizes) - self._sizes).astype(np.int32)
        self._units = units

    def build(self, _shape: Any) -> None:
        self._table = self.add_weight((int(self._sizes.sum()), self._units), "zeros", name="ids")

    def call(self, ids: Any) -> Any:
        embedded = tf.gather(self._table, ids + self._first_rows)
        return tf.reshape(embedded, (-1, len(self._sizes) * self._units))


class Bags(layers.Layer):  # type: ignore[misc]
    """Words, `[rows, texts, words]`, 0 for none: to each text's mean embedding, `[rows, texts * units]`."""

    def __init__(self, texts: int, buckets: int, units: int) -> None:
        """Fix the number of texts, and of words that are told apart."""
        super().__init__()
        self._texts, self._buckets, self._units = texts, buckets, units

    def build(self, _shape: Any) -> None:
        self._table = self.add_weight((self._texts * self._buckets, self._units), "zeros", name="words")

    def call(self, words: Any) -> Any:
        first_rows = np.arange(self._texts, dtype=np.int32)[:, None] * self._buckets
        is_word = tf.cast(words > 0, tf.float32)[..., None]
        embedded = tf.gather(self._table, tf.maximum(words - 1, 0) + first_rows)
        means = tf.math.divide_no_nan(tf.reduce_sum(embedded * is_word, 2), tf.reduce_sum(is_word, 2))
        return tf.reshape(means, (-1, self._texts * self._units))


def _cycle_table(length: int) -> NDArray[np.float32]:
    places = np.arange(length) / length
    angles = 2 * np.pi * places
    table = np.stack([2 * places - 1, np.sin(angles), np.cos(angles), np.zeros(length)], axis=1)
    return np.concatenate([table, [[0, 0, 0, 1]]]).astype(np.float32)
