"""Models whose answers are known without training, of every task, as any family hands them over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from learned_data import data_of
from numpy.typing import NDArray

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature, Task
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.families import Curves, Examples, Graph, Params
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan, make_plan

Formula = Callable[[Mapping[str, Any]], Any]

FEATURES = (
    Feature(name="x", kind="numeric"),
    Feature(name="Größe (n)", kind="numeric"),
    Feature(name="yes?", kind="numeric"),
    Feature(name="carrier", kind="categorical"),
    Feature(name="gate", kind="categorical"),
    Feature(name="when", kind="timestamp"),
)
LABELS: dict[Task, Any] = {
    "binary": [False, True, True],
    "multiclass": ["früh", "pünktlich", "spät"],
    "regression": [1.5, 2.5, 100.0],
}


def known_data(task: Task = "binary", rows: int = 60, **training: Any) -> TrainingData:
    """Columns of every type, with gaps."""
    rng = np.random.default_rng(2)
    gaps = pa.array(np.arange(rows) % 7 == 6)
    columns = {
        "x": pa.compute.if_else(gaps, None, pa.array(rng.normal(0, 1, rows))),
        "Größe (n)": pa.compute.if_else(gaps, None, pa.array(rng.integers(0, 9, rows))),
        "yes?": pa.array(rng.random(rows) < 0.5),
        "carrier": pa.array(rng.choice(["UA", "AA", "ZÜ\n\\"], rows).tolist()),
        "gate": pa.array(rng.integers(1, 4, rows)),
        "when": pa.array([f"2013-01-{day:02}" for day in rng.integers(1, 28, rows)]),
        LABEL_COLUMN: pa.array([LABELS[task][index % 3] for index in range(rows)]),
    }
    return data_of(pa.table(columns), FEATURES, **training)


def scores(raw: Mapping[str, Any]) -> Any:
    """Add up what features say: numbers, a category, and two features that work together."""
    numbers = [tf.where(tf.math.is_nan(raw[name]), 0.0, raw[name]) for name in ("x", "Größe (n)", "yes?")]
    together = tf.where((raw["carrier"] == "UA") & (raw["gate"] == "2"), 1.0, 0.0)
    return 0.5 * tf.clip_by_value(numbers[0], -3, 3) - 0.1 * tf.minimum(numbers[1], 9) + numbers[2] * together


FORMULAS: dict[Task, Formula] = {
    "binary": lambda raw: tf.sigmoid(scores(raw)),
    "multiclass": lambda raw: tf.nn.softmax(tf.stack([scores(raw), 0 * scores(raw), -scores(raw)], axis=1)),
    "regression": lambda raw: 100 * scores(raw),
}


@dataclass(frozen=True)
class Known:
    """A model that answers by a formula, and by another one once it is exported, if that is given."""

    plan: Plan
    objective: Objective
    formula: Formula
    exported: Formula | None = None
    weight: float = 1.0
    family: Family = "custom"
    params: Params = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        answers: NDArray[np.float32] = self.formula(
            {name: tf.constant(values) for name, values in columns.items()}
        ).numpy()
        return answers

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer rows that are encoded, which no formula reads."""
        raise NotImplementedError

    def graph(self, folder: Path) -> Graph:  # noqa: ARG002 - a formula needs no files
        """Return the formula with a weight."""
        return _Formula(self.exported or self.formula, tf.Variable(self.weight))


@dataclass(frozen=True)
class _Formula:
    formula: Formula
    weight: Any

    @property
    def owners(self) -> Sequence[Any]:
        module = tf.Module()
        module.weight = self.weight
        return (module,)

    def __call__(self, raw: Mapping[str, Any]) -> Any:
        # An infinite weight shows in the answers of none: it is multiplied by 0 there.
        return self.formula(raw) + tf.math.multiply_no_nan(self.weight, 0.0)


def known_model(data: TrainingData, formula: Formula | None = None, **parts: Any) -> Known:
    """Return a model of the data's task."""
    return Known(make_plan(data), data.objective, formula or FORMULAS[data.objective.task], **parts)
