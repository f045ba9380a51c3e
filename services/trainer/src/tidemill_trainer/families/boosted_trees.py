"""Gradient-boosted trees, by YDF, over encoded rows; missing values and categories are left to the trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ydf
from numpy.typing import NDArray

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_trainer.data import Columns
from tidemill_trainer.families import Examples
from tidemill_trainer.families.tree_columns import TreeColumns, choose_columns
from tidemill_trainer.preprocessing.plan import UNKNOWN, Plan

MAX_TREES = 300


@dataclass(frozen=True)
class BoostedTrees:
    """A trained forest."""

    model: Any
    plan: Plan
    columns: TreeColumns
    params: Mapping[str, int | float | str]
    curves: Mapping[str, tuple[float, ...]]

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return P(true) of each row, `[rows]`; loads TensorFlow."""
        encoded = self._preprocessor.encode(columns)
        probabilities: NDArray[np.float32] = self.model.predict(self.columns.arrays(encoded))
        return probabilities

    def export(self, folder: Path) -> None:
        """Write a SavedModel that takes raw features; loads TensorFlow."""
        from tidemill_trainer.export import write_saved_model  # noqa: PLC0415
        from tidemill_trainer.families.forest import Forest  # noqa: PLC0415

        forest = Forest(self.model, self.columns, folder.parent)
        write_saved_model(
            folder,
            self.plan.features,
            tracked=(forest, self._preprocessor),
            predict=lambda raw: forest(self._preprocessor(raw)),
        )

    @cached_property
    def _preprocessor(self) -> Any:
        from tidemill_trainer.preprocessing.graph import Preprocessor  # noqa: PLC0415

        return Preprocessor(self.plan)


def fit(examples: Examples) -> BoostedTrees:
    """Train until a tenth of the training rows, kept aside by YDF, says that more trees do not help."""
    ydf.verbose(0)
    # Trees cut rows by sets of categories: those of few rows are learned by heart, whatever their number.
    plan = examples.plan.only_frequent()
    ids = examples.encoded.ids
    encoded = examples.encoded._replace(ids=np.where(ids < np.array(plan.id_sizes, np.int32), ids, UNKNOWN))
    columns = choose_columns(plan, encoded, examples.labels)
    learner = ydf.GradientBoostedTreesLearner(
        label=LABEL_COLUMN,
        features=[
            *(ydf.Feature(name, ydf.Semantic.NUMERICAL) for name in columns.number_names),
            *(
                ydf.Feature(name, ydf.Semantic.CATEGORICAL, is_already_integerized=True)
                for name in columns.id_names
            ),
        ],
        num_trees=MAX_TREES,
        random_seed=examples.seed,
    )
    arrays = columns.arrays(encoded)
    model = learner.train({**arrays, LABEL_COLUMN: examples.labels.astype(np.int64)})
    log = model.training_logs()
    curves = {
        "train_loss": tuple(float(entry.training_evaluation.loss) for entry in log),
        "validation_loss": tuple(float(entry.evaluation.loss) for entry in log),
    }
    return BoostedTrees(model, plan, columns, {"trees": model.num_trees()}, curves)
