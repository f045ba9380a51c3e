"""The graph itself: raw columns in, what models read out. Training runs it, and every model exports it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tidemill_trainer.data import Columns
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.moments import read_moments
from tidemill_trainer.preprocessing.plan import (
    FIRST,
    MAX_WORDS,
    MISSING,
    SEPARATOR,
    UNKNOWN,
    Category,
    Hashed,
    Moment,
    Number,
    Plan,
)
from tidemill_trainer.preprocessing.words import word_ids


class Preprocessor(tf.Module):  # type: ignore[misc]
    """Computes a plan; every row by itself, so that a batch gives what its rows give."""

    def __init__(self, plan: Plan) -> None:
        """Make the tables of a plan."""
        super().__init__()
        self._plan = plan
        self._ids: Any = _table(plan.categories) if plan.categories else None

    def __call__(self, raw: Mapping[str, Any]) -> Encoded:
        """Take a tensor per feature, float32 or string, `[rows]`; return tensors."""
        plan = self._plan
        rows = tf.shape(next(iter(raw.values())))[0]
        numbers = _numbers(raw, plan.numbers) if plan.numbers else None
        moments = _moments(raw, plan.moments) if plan.moments else None
        ids = self._known(raw) if plan.categories else None
        return Encoded(
            numbers=_joined([numbers, moments], tf.zeros((rows, 0), tf.float32)),
            ids=_joined(
                [ids, *(_hashed(raw, hashed) for hashed in plan.hashed)], tf.zeros((rows, 0), tf.int32)
            ),
            words=self._words(raw, rows),
        )

    def encode(self, columns: Columns) -> Encoded:
        """Read rows in memory; return arrays."""
        tensors = [tf.constant(columns[feature.name]) for feature in self._plan.features]
        return Encoded(*(values.numpy() for values in self._on_tensors(tensors)))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _on_tensors(self, tensors: Sequence[Any]) -> Encoded:
        names = (feature.name for feature in self._plan.features)
        return self(dict(zip(names, tensors, strict=True)))

    def _known(self, raw: Mapping[str, Any]) -> Any:
        texts = [
            tf.strings.join([raw[column] for column in category.columns], SEPARATOR)
            if len(category.columns) > 1
            else raw[category.columns[0]]
            for category in self._plan.categories
        ]
        owners = tf.constant([[_owner(index) for index in range(len(texts))]])
        # One table for all columns; `Add` is the operation that joins texts with broadcasting.
        return self._ids.lookup(tf.raw_ops.Add(x=owners, y=tf.stack(texts, axis=1)))

    def _words(self, raw: Mapping[str, Any], rows: Any) -> Any:
        texts = self._plan.texts
        if not texts:
            return tf.zeros((rows, 0, MAX_WORDS), tf.int32)
        ids = word_ids(tf.reshape(tf.stack([raw[name] for name in texts], axis=1), [-1]))
        return tf.reshape(ids, (-1, len(texts), MAX_WORDS))


def _joined(columns: Sequence[Any], none: Any) -> Any:
    present = [column for column in columns if column is not None]
    return tf.concat(present, axis=1) if len(present) > 1 else next(iter(present), none)


def _numbers(raw: Mapping[str, Any], numbers: Sequence[Number]) -> Any:
    values = tf.stack([raw[number.name] for number in numbers], axis=1)
    # Infinity less itself is NaN, as missing numbers are; selecting infinities would take twice as long.
    values -= values - values
    if any(number.options.clip for number in numbers):
        clips = [number.options.clip or (-np.inf, np.inf) for number in numbers]
        lowest, highest = np.array(clips, np.float32).T
        values = tf.minimum(tf.maximum(values, lowest), highest)
    return values


def _moments(raw: Mapping[str, Any], moments: Sequence[Moment]) -> Any:
    every = sorted({part for moment in moments for part in moment.parts})
    texts = tf.stack([raw[moment.name] for moment in moments], axis=1)
    found, valid = read_moments(tf.reshape(texts, [-1]), every)
    values = tf.cast(tf.stack([found[part] for part in every], axis=1), tf.float32)
    values = tf.where(valid[:, None], values, np.float32(np.nan))
    wanted = [
        len(every) * index + every.index(part)
        for index, moment in enumerate(moments)
        for part in moment.parts
    ]
    return tf.gather(tf.reshape(values, (-1, len(every) * len(moments))), wanted, axis=1)


def _hashed(raw: Mapping[str, Any], hashed: Hashed) -> Any:
    texts = raw[hashed.name]
    ids = tf.cast(tf.strings.to_hash_bucket_fast(texts, hashed.buckets), tf.int32) + FIRST
    return tf.where(texts == "", MISSING, ids)[:, None]


def _owner(index: int) -> str:
    return f"{index}:"


def _table(categories: Sequence[Category]) -> Any:
    ids = {
        _owner(index) + text: number
        for index, category in enumerate(categories)
        for number, text in enumerate((category.missing, *category.vocabulary), MISSING)
    }
    texts = tf.constant(list(ids), tf.string)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(texts, tf.constant(list(ids.values()), tf.int32)), UNKNOWN
    )
