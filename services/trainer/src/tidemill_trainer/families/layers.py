"""Layers that read encoded columns. Their tables begin at zero: what training has not seen adds nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tidemill_contracts.profile import TimePart
from tidemill_trainer.preprocessing.plan import Number
from tidemill_trainer.preprocessing.scaling import bin_edges, mean_and_stddev

MAX_SCORE = 5.0
# The first value of a part of time that comes again and again, and how many there are.
CYCLES: dict[TimePart, tuple[int, int]] = {
    "month": (1, 12),
    "day": (1, 31),
    "weekday": (0, 7),
    "hour": (0, 24),
    "minute": (0, 60),
}


class Scale(layers.Layer):  # type: ignore[misc]
    """Numbers, `[rows, columns]`: to scores of that shape, and to `[rows, units]`, what their bins add up to.

    The bins let a network treat ranges of a number (days, hours) as freely as trees do. A missing number has
    the score 0 and a bin of its own.
    """

    def __init__(self, numbers: Sequence[Number], units: int) -> None:
        """Fix what is known of the numbers."""
        super().__init__()
        self._units = units
        self._means, stddevs = np.array([mean_and_stddev(number) for number in numbers], np.float32).T
        self._factors = 1 / stddevs
        self._limits = np.array(
            [np.inf if number.options.scale == "none" else MAX_SCORE for number in numbers]
        )
        self._is_log = np.array([number.options.scale == "log" for number in numbers])
        edges = [bin_edges(number) for number in numbers]
        self._edges = np.full((len(numbers), max(map(len, edges)) + 1), np.inf, np.float32)
        for row, known in zip(self._edges, edges, strict=True):
            row[: len(known)] = known
        self._fill = np.array([_instead_of_missing(number) for number in numbers], np.float32)

    def build(self, _shape: Any) -> None:
        columns, bins = self._edges.shape
        # One more than there are places between edges: a missing number is beyond the last edge.
        self._first_bins = np.arange(columns, dtype=np.int32) * (bins + 1)
        self._bins = self.add_weight((columns * (bins + 1), self._units), "zeros", name="bins")

    def call(self, numbers: Any) -> Any:
        if not np.isnan(self._fill).all():
            numbers = tf.where(tf.math.is_nan(numbers), self._fill, numbers)
        bins = tf.raw_ops.UpperBound(sorted_inputs=self._edges, values=tf.transpose(numbers))
        binned = tf.gather(self._bins, bins + self._first_bins[:, None])
        missing = tf.math.is_nan(numbers)
        if self._is_log.any():
            logarithms = tf.sign(numbers) * tf.math.log1p(tf.abs(numbers))
            numbers = tf.where(self._is_log, logarithms, numbers)
        scores = (numbers - self._means) * self._factors
        scores = tf.minimum(tf.maximum(scores, -self._limits), self._limits)
        return tf.where(missing, np.float32(0), scores), tf.reduce_sum(binned, axis=0)


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


def _instead_of_missing(number: Number) -> float:
    if number.options.missing_indicator or number.profile is None:
        return np.nan
    return number.profile.mean


def _cycle_table(length: int) -> NDArray[np.float32]:
    places = np.arange(length) / length
    angles = 2 * np.pi * places
    table = np.stack([2 * places - 1, np.sin(angles), np.cos(angles), np.zeros(length)], axis=1)
    return np.concatenate([table, [[0, 0, 0, 1]]]).astype(np.float32)
