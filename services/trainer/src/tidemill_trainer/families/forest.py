"""A forest in a graph: the same columns as in training, and YDF's operation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ydf_tf.op import SimpleMLInferenceOpWithHandle  # type: ignore[import-untyped]

from tidemill_trainer.families.tree_columns import TreeColumns
from tidemill_trainer.families.trees import class_order
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded


class Forest(tf.Module):  # type: ignore[misc]
    """Answers encoded rows with a forest, or with one for every quantile."""

    def __init__(
        self, models: Sequence[Any], columns: TreeColumns, objective: Objective, folder: Path
    ) -> None:
        """Load trained YDF models; the files they leave in `folder` must stay until it is exported."""
        super().__init__()
        self._columns, self._objective = columns, objective
        self._forests = [_Forest(model, objective, len(columns.number_names), folder) for model in models]
        order = class_order(models[0], objective)
        # The column after the last, which is padding, is of classes without a chance.
        self._order = None if order is None else np.where(order < 0, order.max() + 1, order)

    @property
    def owners(self) -> Sequence[Any]:
        """Itself."""
        return (self,)

    def __call__(self, encoded: Encoded) -> Any:
        """Return answers, `[rows]` or `[rows, width]`."""
        numbers, ids = self._numbers(encoded), self._columns.bounded(encoded.ids, tf.where)
        answers = [forest(numbers, ids) for forest in self._forests]
        match self._objective.task:
            case "binary":
                return answers[0][:, 1]
            case "multiclass" if self._order is not None:
                return tf.gather(tf.pad(answers[0], ((0, 0), (0, 1))), self._order, axis=1)
            case "multiclass":
                return answers[0]
            case "regression" if self._objective.quantiles:
                return tf.sort(tf.concat(answers, axis=1), axis=1)
            case "regression":
                return answers[0][:, 0]

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


class _Forest(tf.Module):  # type: ignore[misc]
    def __init__(self, model: Any, objective: Objective, numbers: int, folder: Path) -> None:
        super().__init__()
        self._forest = model.to_tensorflow_function(temp_dir=str(folder))
        positions = [int(name.split(" ", 1)[0]) for name in model.input_feature_names()]
        self._numbers = [position for position in positions if position < numbers]
        self._ids = [position - numbers for position in positions if position >= numbers]
        self._outputs = 1 if objective.task == "regression" else len(model.label_classes())

    def __call__(self, numbers: Any, ids: Any) -> Any:
        none = tf.zeros(0, tf.int32)
        # YDF's own function takes a tensor per column, and would join what is joined here already.
        answers = SimpleMLInferenceOpWithHandle(
            model_handle=self._forest.op_model._compiled_model.resource_handle,  # noqa: SLF001
            numerical_features=_only(numbers, self._numbers),
            boolean_features=tf.zeros((0, 0)),
            categorical_int_features=_only(ids, self._ids),
            categorical_set_int_features_values=none,
            categorical_set_int_features_row_splits_dim_1=tf.zeros(1, tf.int64),
            categorical_set_int_features_row_splits_dim_2=tf.zeros(1, tf.int64),
            dense_output_dim=self._outputs,
        )
        return answers.dense_predictions


def _only(columns: Any, positions: list[int]) -> Any:
    if not positions:
        return tf.zeros((0, 0), columns.dtype)
    return columns if len(positions) == columns.shape[1] else tf.gather(columns, positions, axis=1)
