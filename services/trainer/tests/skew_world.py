"""Models of both families, trained and exported, and the path that training data takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf
from every_kind import every_kind

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns, Rows, to_rows
from tidemill_trainer.export import write_saved_model
from tidemill_trainer.families import Examples, Trained, load_family
from tidemill_trainer.preprocessing.encoded import Encoded, encode_rows
from tidemill_trainer.preprocessing.graph import Preprocessor
from tidemill_trainer.preprocessing.plan import Plan, make_plan

# A product of matrices adds up in another order for another number of rows. Measured: 2e-7 at most.
BATCH_TOLERANCE = 1e-6
FAMILIES: tuple[Family, ...] = ("boosted-trees", "deep")


@dataclass(frozen=True, repr=False)
class World:
    """What training made of one dataset: below `folder` a SavedModel per family, and `preprocessing`."""

    folder: Path
    plan: Plan
    trained: dict[Family, Trained]

    def expected(self, family: Family, columns: Columns) -> Any:
        """Replay served rows through the training path, `[rows]`."""
        return self.trained[family].predict(replayed(columns, self.plan.features).columns())


def replayed(columns: Columns, features: tuple[Feature, ...]) -> Rows:
    """Read served rows as a dataset is read."""
    rows = len(next(iter(columns.values())))
    return to_rows([pa.table({**columns, LABEL_COLUMN: [False] * rows})], features)


def joined(encoded: Encoded) -> Any:
    """Join all that models read; ids and words are small enough for float32 to hold."""
    words = tf.reshape(encoded.words, (tf.shape(encoded.numbers)[0], -1))
    return tf.concat([encoded.numbers, tf.cast(encoded.ids, tf.float32), tf.cast(words, tf.float32)], axis=1)


def make_world(folder: Path, *, plain: bool) -> World:
    """Train and export both families, on all kinds of features or the plain ones."""
    data = every_kind(plain=plain)
    plan = make_plan(data)
    examples = Examples(plan, encode_rows(plan, data.train), data.train.labels, data.seed)
    trained = {family: load_family(family)(examples) for family in FAMILIES}
    for family, model in trained.items():
        model.export(folder / family)
    preprocessor = Preprocessor(plan)
    write_saved_model(
        folder / "preprocessing",
        plan.features,
        tracked=(preprocessor,),
        predict=lambda raw: joined(preprocessor(raw)),
    )
    return World(folder, plan, trained)
