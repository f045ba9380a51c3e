"""Gradient-boosted trees, by YDF: raw columns in, missing values and categories handled by the trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ydf
from numpy.typing import NDArray

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature
from tidemill_trainer.data import Columns, TrainingData

MAX_TREES = 300
# More categories cost training time out of proportion, and their rare values are learned by heart.
MAX_CATEGORIES = 64
MIN_CATEGORY_ROWS = 5


@dataclass(frozen=True)
class BoostedTrees:
    """A trained forest. It reads only the columns that vary; the exported model takes all of them."""

    model: Any
    features: tuple[Feature, ...]
    params: Mapping[str, int | float | str]
    curves: Mapping[str, tuple[float, ...]]

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Return P(true) of each row, `[rows]`."""
        probabilities: NDArray[np.float32] = self.model.predict(dict(columns))
        return probabilities

    def export(self, folder: Path) -> None:
        """Write a SavedModel that takes raw features; loads TensorFlow."""
        from tidemill_trainer.export import write_saved_model  # noqa: PLC0415

        forest = self.model.to_tensorflow_function(temp_dir=str(folder.parent))
        write_saved_model(folder, self.features, tracked=forest, predict=forest)


def fit(data: TrainingData) -> BoostedTrees:
    """Train until a tenth of the training rows, kept aside by YDF, says that more trees do not help."""
    ydf.verbose(0)
    learner = ydf.GradientBoostedTreesLearner(
        label=LABEL_COLUMN,
        features=[_column(feature) for feature in data.features],
        num_trees=MAX_TREES,
        random_seed=data.seed,
    )
    model = learner.train({**data.train.columns, LABEL_COLUMN: data.train.labels.astype(np.int64)})
    log = model.training_logs()
    curves = {
        "train_loss": tuple(float(entry.training_evaluation.loss) for entry in log),
        "validation_loss": tuple(float(entry.evaluation.loss) for entry in log),
    }
    params: dict[str, int | float | str] = {"trees": model.num_trees(), "max_categories": MAX_CATEGORIES}
    return BoostedTrees(model, data.features, params, curves)


def _column(feature: Feature) -> ydf.Feature:
    if feature.kind == "numeric":
        return ydf.Feature(feature.name, ydf.Semantic.NUMERICAL)
    return ydf.Feature(
        feature.name,
        ydf.Semantic.CATEGORICAL,
        max_vocab_count=MAX_CATEGORIES,
        min_vocab_frequency=MIN_CATEGORY_ROWS,
    )
