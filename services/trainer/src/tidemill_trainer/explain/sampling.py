"""Shapley values of any model, in TensorFlow, by sampled permutations.

A row is walked to from a background row, one feature at a time; what the answer moves by at a step is that
feature's. Every background row is walked from twice, in an order of the features and in its reverse, which
cancels much of the noise (antithetic sampling). The orders are drawn once, so that explanations repeat. Every
walk's steps add up to the whole way, so attributions add up exactly, and the baseline is the mean answer to
the background rows. Štrumbelj and Kononenko 2014; Mitchell and others 2022.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tidemill_trainer.data import Columns
from tidemill_trainer.explain import Explanation
from tidemill_trainer.explain.chosen import choose
from tidemill_trainer.objective import Objective

# Background rows that are walked from: as many as need so many answers for each row that is explained.
MAX_ANSWERS = 1024
WALKED_ROWS = (4, 32)


def walked_rows(features: int) -> int:
    """Return how many background rows a model of so many features is walked from."""
    return int(np.clip(MAX_ANSWERS // (2 * max(features - 1, 1)), *WALKED_ROWS))


class Sampling:
    """Explains raw columns, one row after the other, so that memory is bounded."""

    def __init__(
        self,
        answer: Callable[[Mapping[str, Any]], Any],
        objective: Objective,
        background: Columns,
        *,
        seed: int,
    ) -> None:
        """Draw the orders.

        Args:
            answer: From a tensor per feature, `[rows]`, to answers `[rows]` or `[rows, width]`.
            objective: What the answers are.
            background: Rows as serving gets them, whose columns are the features in order.
            seed: Of the orders.
        """
        self._answer, self._objective, self._background = answer, objective, background
        rows, features = len(next(iter(background.values()))), len(background)
        rng = np.random.default_rng(seed)
        places = np.stack([rng.permutation(features) for _ in range(rows)])
        # A walk per row: the place of each feature in its order.
        self._places = np.concatenate([places, features - 1 - places]).astype(np.int32)

    def __call__(self, raw: Mapping[str, Any]) -> Explanation:
        """Return the explanation of each row."""
        columns = [raw[name] for name in self._background]
        number, index = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.int32)
        attributions = tf.TensorSpec((len(columns),), tf.float32)
        # Constants of the loop's body would be copied in every turn.
        background = [tf.constant(values) for values in self._background.values()]
        explained: Explanation = tf.map_fn(
            lambda row: self._explain(row, background),
            columns,
            fn_output_signature=Explanation(attributions, number, number, index),
        )
        return explained

    def _explain(self, row: Sequence[Any], background: Sequence[Any]) -> Explanation:
        answers = self._answer(self._on_the_way(row, background))
        chosen = choose(self._objective, answers)
        values = tf.cast(tf.gather(answers, chosen, axis=1) if self._objective.width else answers, tf.float64)
        walks, features = self._places.shape
        ends, starts, between = tf.split(values, [1, walks // 2, walks * (features - 1)])
        ways = tf.concat(
            [
                tf.tile(starts, [2])[:, None],
                tf.reshape(between, (walks, features - 1)),
                tf.repeat(ends, walks)[:, None],
            ],
            axis=1,
        )
        steps = tf.gather(ways[:, 1:] - ways[:, :-1], self._places, axis=1, batch_dims=1)
        return Explanation(
            attributions=tf.cast(tf.reduce_mean(steps, axis=0), tf.float32),
            baseline=tf.cast(tf.reduce_mean(starts), tf.float32),
            answer=tf.cast(ends[0], tf.float32),
            chosen=chosen,
        )

    def _on_the_way(self, row: Sequence[Any], background: Sequence[Any]) -> Mapping[str, Any]:
        """Return the row itself, the background rows, then the rows of every walk between them."""
        walks, features = self._places.shape
        rows = walks // 2
        taken = self._places[:, None, :] < np.arange(1, features)[:, None]
        of_row = np.concatenate(
            [
                np.ones((1, features), np.bool_),
                np.zeros((rows, features), np.bool_),
                taken.reshape(-1, features),
            ]
        )
        walked = np.tile(np.arange(rows), 2).repeat(features - 1)
        starts = np.concatenate([[0], np.arange(rows), walked]).astype(np.int32)
        return {
            name: tf.where(of_row[:, index], row[index], tf.gather(background[index], starts))
            for index, name in enumerate(self._background)
        }
