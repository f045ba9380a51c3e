"""Integrated gradients of networks, in TensorFlow (Sundararajan and others 2017).

The first thing that a network makes is a sum, to which each column adds its own part: the score and the bins
of a number, the sine and cosine of a time, the embedding of a category or of words. The answer's gradient is
integrated along the straight way from the mean sum of background rows to that of the row; a feature gets the
gradient times what its columns add more than in the background. Those of a cross share. What the sum over
places on the way misses of the integral, as answers have kinks, is shared out by size, so that attributions
add up.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_trainer.data import Columns
from tidemill_trainer.explain import Explanation, Sum, Summing
from tidemill_trainer.explain.chosen import choose
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan

BACKGROUND_ROWS = 256
# Places on the way where the gradient is looked at: those of Gauss and Legendre.
PLACES = 64


class Gradients:
    """Explains raw columns, one row after the other, so that memory is bounded."""

    def __init__(self, of: Sum, objective: Objective, plan: Plan, background: Columns) -> None:
        """Measure the background: rows as serving gets them."""
        self._sum, self._objective, self._names = of, objective, tuple(background)
        self._shares = np.array(list(_shares(plan, self._names)), np.float32)
        raw = {name: tf.constant(values) for name, values in background.items()}
        encoded = Encoded(*(values.numpy() for values in of.encode(raw)))
        self._reference = encoded.take(np.zeros(1, np.int64))
        self._usual = np.stack(list(_usually_added(of.network, encoded, self._reference)))
        self._start: NDArray[np.float32] = np.mean(of.network.total(encoded), axis=0, keepdims=True)
        places, weights = np.polynomial.legendre.leggauss(PLACES)
        self._places = ((places[:, None] + 1) / 2).astype(np.float32)
        self._weights = (weights[:, None] / 2).astype(np.float32)

    def __call__(self, raw: Mapping[str, Any]) -> Explanation:
        """Return the explanation of each row."""
        encoded = self._sum.encode(raw)
        number, index = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.int32)
        attributions = tf.TensorSpec((len(self._names),), tf.float32)
        explained: Explanation = tf.map_fn(
            lambda row: self._explain(Encoded(*(values[None] for values in row))),
            tuple(encoded),
            fn_output_signature=Explanation(attributions, number, number, index),
        )
        return explained

    def _explain(self, encoded: Encoded) -> Explanation:
        network, end = self._sum.network, self._sum.network.total(encoded)
        answers = network.finish(tf.concat([end, self._start], axis=0))
        chosen = choose(self._objective, answers)
        answer, baseline = tf.unstack(answers[:, chosen] if self._objective.width else answers, num=2)
        way = self._start + self._places * (end - self._start)
        on_the_way = network.finish(way)
        explained = on_the_way[:, chosen] if self._objective.width else on_the_way
        (gradients,) = tf.gradients(explained, way)
        gradient = tf.reduce_sum(gradients * self._weights, axis=0)
        of_columns = tf.linalg.matvec(self._added(encoded) - self._usual, gradient)
        attributions = tf.linalg.matvec(self._shares, of_columns, transpose_a=True)
        return Explanation(_completed(attributions, answer - baseline), baseline, answer, chosen)

    def _added(self, encoded: Encoded) -> Any:
        """Return what each column of one row adds more than that of the reference, `[columns, width]`."""
        counts = [values.shape[1] for values in self._reference]
        first, parts = np.cumsum([0, *counts]), []
        for values, reference, start in zip(encoded, self._reference, first, strict=False):
            taken = np.zeros((1 + sum(counts), values.shape[1]), np.bool_)
            taken[1 + start : 1 + start + values.shape[1]] = np.eye(values.shape[1], dtype=np.bool_)
            mask = taken.reshape(*taken.shape, *[1] * (len(values.shape) - 2))
            parts.append(tf.where(mask, values, reference))
        totals = self._sum.network.total(Encoded(*parts))
        return totals[1:] - totals[:1]


def _usually_added(network: Summing, rows: Encoded, reference: Encoded) -> Iterator[NDArray[np.float32]]:
    """Yield what each column adds more than that of the reference, on the mean of some rows, `[width]`."""
    alone = network.total(reference).numpy()
    for place, values in enumerate(rows):
        for column in range(values.shape[1]):
            parts = [np.repeat(of_reference, len(values), axis=0) for of_reference in reference]
            parts[place][:, column] = values[:, column]
            yield np.mean(network.total(Encoded(*parts)) - alone, axis=0)


def _completed(attributions: Any, whole: Any) -> Any:
    sizes = tf.abs(attributions)
    missed = whole - tf.reduce_sum(attributions)
    return attributions + tf.math.divide_no_nan(missed * sizes, tf.reduce_sum(sizes))


def _shares(plan: Plan, names: tuple[str, ...]) -> Iterator[NDArray[np.float64]]:
    """Yield how much of each column that a network reads is each feature's: one adds up to 1."""
    owners = [
        *((number.name,) for number in plan.numbers),
        *((moment.name,) for moment in plan.moments for _ in moment.parts),
        *(category.columns for category in plan.categories),
        *((hashed.name,) for hashed in plan.hashed),
        *((text,) for text in plan.texts),
    ]
    for columns in owners:
        yield np.array([columns.count(name) / len(columns) for name in names])
