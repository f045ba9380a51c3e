"""Models of every family, trained and exported, and the path that training data takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf
from every_kind import every_kind
from learned_data import examples_of, split

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns, Rows, TrainingData, to_rows
from tidemill_trainer.export.model import export
from tidemill_trainer.export.saved_model import Signature, write_saved_model
from tidemill_trainer.export.signatures import DEFAULT, raw_inputs
from tidemill_trainer.families import Trained, Watch, load_learner
from tidemill_trainer.families.ensemble import ensemble
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.graph import Preprocessor
from tidemill_trainer.preprocessing.plan import Plan, make_plan

LEARNED: tuple[Family, ...] = ("linear", "boosted-trees", "random-forest", "deep")
FAMILIES: tuple[Family, ...] = (*LEARNED, "ensemble")
# Forests answer with the same bits. A product of matrices adds up in another order for other numbers of rows:
# measured, by 4e-7 of the greatest answer at most.
TOLERANCES: dict[Family, float] = {"boosted-trees": 0, "random-forest": 0}
BATCH_TOLERANCE = 2e-6


@dataclass(frozen=True)
class World:
    """What training made of one dataset: below `folder` a SavedModel per family, and `preprocessing`."""

    folder: Path
    data: TrainingData = field(repr=False)
    plan: Plan = field(repr=False)
    trained: dict[Family, Trained] = field(repr=False)

    def expected(self, family: Family, columns: Columns) -> Any:
        """Replay served rows through the training path: answers `[rows]` or `[rows, width]`."""
        return self.trained[family].predict(replayed(columns, self.plan.features).columns())


def replayed(columns: Columns, features: tuple[Feature, ...]) -> Rows:
    """Read served rows as a dataset is read."""
    rows = len(next(iter(columns.values())))
    return to_rows([pa.table({**columns, LABEL_COLUMN: [False] * rows})], features)


def joined(encoded: Encoded) -> Any:
    """Join all that models read; ids and words are small enough for float32 to hold."""
    words = tf.reshape(encoded.words, (tf.shape(encoded.numbers)[0], -1))
    return tf.concat([encoded.numbers, tf.cast(encoded.ids, tf.float32), tf.cast(words, tf.float32)], axis=1)


def make_world(folder: Path, families: Sequence[Family] = FAMILIES, **data: Any) -> World:
    """Train and export families; `data` says on which rows of every kind."""
    made = every_kind(**data)
    learn, check = split(examples_of(made))
    trained: dict[Family, Trained] = {}
    for family in families:
        if family != "ensemble":
            learner = load_learner(family)
            trained[family] = learner.fit(learn, check, learner.defaults(learn), 3, Watch(float("inf")))
    if "ensemble" in families:
        members = [(model, model.answer(check)) for model in trained.values()]
        trained["ensemble"], _ = ensemble(members, check.labels, check.weights, made.objective)
    for family, model in trained.items():
        export(model, made, folder / family)
    return World(folder, made, make_plan(made), trained)


def export_preprocessing(world: World) -> None:
    """Write a SavedModel that answers with what models read."""
    preprocessor, features = Preprocessor(world.plan), world.plan.features
    reading = Signature(
        DEFAULT, raw_inputs(features), lambda inputs: {"probabilities": joined(preprocessor(inputs))}
    )
    write_saved_model(world.folder / "preprocessing", (preprocessor,), [reading])
