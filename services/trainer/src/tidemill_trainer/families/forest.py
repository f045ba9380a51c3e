"""A forest in a graph: the same columns as in training, and YDF's operation."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ydf_tf.op import SimpleMLInferenceOpWithHandle  # type: ignore[import-untyped]

from tidemill_trainer.families.tree_columns import TreeColumns
from tidemill_trainer.preprocessing.encoded import Encoded


class Forest(tf.Module):  # type: ignore[misc]
    """Computes P(true) of encoded rows."""

    def __init__(self, model: Any, columns: TreeColumns, folder: Path) -> None:
        """Load a trained YDF model; the files it leaves in `folder` must stay until it is exported."""
        super().__init__()
        self._forest = model.to_tensorflow_function(temp_dir=str(folder))
        self._columns = columns
        positions = [int(name.split(" ", 1)[0]) for name in model.input_feature_names()]
        first_id = len(columns.number_names)
        self._used_numbers = [position for position in positions if position < first_id]
        self._used_ids = [position - first_id for position in positions if position >= first_id]

    def __call__(self, encoded: Encoded) -> Any:
        """Return P(true), `[rows]`."""
        none = tf.zeros(0, tf.int32)
        # YDF's own function takes a tensor per column, and would join what is joined here already.
        answers = SimpleMLInferenceOpWithHandle(
            model_handle=self._forest.op_model._compiled_model.resource_handle,  # noqa: SLF001
            numerical_features=_only(self._numbers(encoded), self._used_numbers),
            boolean_features=tf.zeros((0, 0)),
            categorical_int_features=_only(self._columns.bounded(encoded.ids, tf.where), self._used_ids),
            categorical_set_int_features_values=none,
            categorical_set_int_features_row_splits_dim_1=tf.zeros(1, tf.int64),
            categorical_set_int_features_row_splits_dim_2=tf.zeros(1, tf.int64),
            dense_output_dim=2,
        )
        return answers.dense_predictions[:, 1]

    def _numbers(self, encoded: Encoded) -> Any:
        columns = [encoded.numbers]
        if self._columns.gaps:
            columns.append(tf.math.is_nan(tf.gather(encoded.numbers, self._columns.gaps, axis=1)))
        for text, words in enumerate(self._columns.words):
            told = encoded.words[:, text, :, None] == np.array(words, np.int32)
            columns.append(tf.reduce_any(told, axis=1))
        if len(columns) == 1:
            return encoded.numbers
        return tf.concat([tf.cast(column, tf.float32) for column in columns], axis=1)


def _only(columns: Any, positions: list[int]) -> Any:
    if not positions:
        return tf.zeros((0, 0), columns.dtype)
    return columns if len(positions) == columns.shape[1] else tf.gather(columns, positions, axis=1)
