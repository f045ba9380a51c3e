"""What forests of every kind share: the tables that YDF learns from, and its models as trained models."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ydf
from numpy.typing import NDArray

from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN
from tidemill_trainer.families import Examples
from tidemill_trainer.families.on_encoded import Core, OnEncoded
from tidemill_trainer.families.tree_columns import TreeColumns, choose_columns
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded

MIN_SECONDS = 0.1


@dataclass(frozen=True)
class Trees(OnEncoded):
    """A trained forest, or one for every quantile."""

    models: Sequence[Any]
    columns: TreeColumns

    def answer_encoded(self, encoded: Encoded) -> NDArray[np.float32]:
        """Answer encoded rows."""
        table = self.columns.arrays(encoded)
        answers: NDArray[np.float32] = np.stack([model.predict(table) for model in self.models], axis=-1)
        if self.objective.quantiles:
            return np.sort(answers, axis=1)
        order = class_order(self.models[0], self.objective)
        return answers[..., 0] if order is None else _ordered(answers[..., 0], order)

    def core(self, folder: Path) -> Core:
        """Return the forest in TensorFlow."""
        from tidemill_trainer.families.forest import Forest  # noqa: PLC0415

        return Forest(self.models, self.columns, self.objective, folder)


def choose_tree_columns(examples: Examples) -> TreeColumns:
    """Decide what trees read, from training rows."""
    return choose_columns(examples.plan, examples.encoded, _targets(examples))


def as_table(columns: TreeColumns, examples: Examples) -> Mapping[str, NDArray[Any]]:
    """Return rows with their labels and weights as YDF takes them."""
    is_number = examples.objective.task == "regression"
    labels = examples.labels.astype(np.float32 if is_number else np.int64)
    table = {**columns.arrays(examples.encoded), LABEL_COLUMN: labels}
    return table if examples.weights is None else {**table, WEIGHT_COLUMN: examples.weights}


def learner_options(columns: TreeColumns, examples: Examples, seed: int, stop_at: float) -> dict[str, Any]:
    """Return what every YDF learner is told."""
    ydf.verbose(0)
    regression = examples.objective.task == "regression"
    return {
        "label": LABEL_COLUMN,
        "task": ydf.Task.REGRESSION if regression else ydf.Task.CLASSIFICATION,
        "weights": None if examples.weights is None else WEIGHT_COLUMN,
        "features": [
            *(ydf.Feature(name, ydf.Semantic.NUMERICAL) for name in columns.number_names),
            *(
                ydf.Feature(name, ydf.Semantic.CATEGORICAL, is_already_integerized=True)
                for name in columns.id_names
            ),
        ],
        "random_seed": seed,
        "maximum_training_duration_seconds": max(MIN_SECONDS, stop_at - time.monotonic()),
    }


def class_order(model: Any, objective: Objective) -> NDArray[np.int64] | None:
    """Return where a model has each class, -1 where it has not learned of it; None where all are in order."""
    if objective.task != "multiclass":
        return None
    places = {int(label): place for place, label in enumerate(model.label_classes())}
    order = np.array([places.get(index, -1) for index in range(len(objective.classes))])
    return None if order.tolist() == list(range(len(places))) else order


def _ordered(answers: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    if answers.ndim == 1:  # of two classes, YDF answers with the second alone
        answers = np.stack([1 - answers, answers], axis=1)
    # The last column, which -1 takes, is of classes without a chance.
    return np.pad(answers, ((0, 0), (0, 1)))[:, order]


def _targets(examples: Examples) -> NDArray[np.float64]:
    labels = examples.labels
    if examples.objective.task == "multiclass":
        targets: NDArray[np.float64] = np.eye(len(examples.objective.classes))[labels]
        return targets
    return labels.astype(np.float64)[:, None]
