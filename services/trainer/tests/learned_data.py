"""Datasets in memory, of columns with a label of any task."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from trainer_world import profile_of

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Feature
from tidemill_trainer.data import TrainingData, to_rows
from tidemill_trainer.families import Examples, make_examples
from tidemill_trainer.objective import make_objective
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.preprocessing.plan import make_plan


def data_of(
    table: pa.Table,
    features: Sequence[Feature],
    *,
    held_out: pa.Table | None = None,
    crosses: tuple[tuple[str, ...], ...] = (),
    **training: Any,
) -> TrainingData:
    """Make a dataset version of a table with a label, and maybe weights; `training` is of the spec."""
    spec = PipelineSpec.model_validate({"label": "y", "training": training})
    profile = profile_of(table, features)
    classes = [name for name, _ in profile.label.classes]
    train = to_rows([table], features, classes)
    return TrainingData(
        pipeline="p",
        features=tuple(features),
        crosses=crosses,
        profile=profile,
        train=train,
        held_out=to_rows([table if held_out is None else held_out], features, classes),
        seed=spec.training.seed,
        objective=make_objective(spec, profile.label, train.labels, train.weights),
    )


def examples_of(data: TrainingData) -> Examples:
    """Encode the training rows."""
    plan = make_plan(data)
    return make_examples(plan, encode_rows(plan, data.train), data.train, data.objective)


def split(examples: Examples, seed: int = 0) -> tuple[Examples, Examples]:
    """Keep a fifth of the rows aside."""
    order = np.random.default_rng(seed).permutation(len(examples))
    check, learn = np.split(order, [len(order) // 5])
    return examples.take(learn), examples.take(check)


def label_column(labels: NDArray[Any]) -> dict[str, pa.Array]:
    """Name labels as a dataset does: bool, texts or numbers."""
    numbers = labels.dtype.kind in "if"
    return {LABEL_COLUMN: pa.array(labels.astype(np.float64) if numbers else labels)}
