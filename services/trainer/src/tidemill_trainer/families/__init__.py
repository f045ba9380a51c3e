"""Model families: what learns, what it learns from, and what comes of it.

A family is imported when it is asked for: their libraries take seconds to load.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns, Rows, TrainingData
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan

if TYPE_CHECKING:
    import optuna

Params = Mapping[str, bool | int | float | str]
Curves = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Examples:
    """Rows that a family learns from, or is checked on.

    Args:
        plan: How they were encoded.
        encoded: What models read of them.
        labels: bool, int32 class indices or float32, `[rows]`.
        weights: How much each row counts, `[rows]`, 1 on average over all rows; None: all alike.
        objective: What is learned.
        raw: Reads the same rows as serving gets them; families of the user's own need it.
    """

    plan: Plan
    encoded: Encoded
    labels: NDArray[Any]
    weights: NDArray[np.float32] | None
    objective: Objective
    raw: Callable[[], Rows] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """Return the rows at the indices, in their order."""
        raw = self.raw
        return replace(
            self,
            encoded=self.encoded.take(rows),
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            raw=None if raw is None else lambda: raw().take(rows),
        )


def make_examples(plan: Plan, encoded: Encoded, rows: Rows, objective: Objective) -> Examples:
    """Return encoded rows with how much each of them counts."""
    weights = objective.row_weights(rows.labels, rows.weights)
    return Examples(plan, encoded, rows.labels, weights, objective, raw=lambda: rows)


class Pruned(Exception):
    """The fit is not worth its time: raised by `Watch.report`, and let through by families."""


@dataclass(frozen=True)
class Watch:
    """How a fit is watched.

    Args:
        stop_at: When to end early with the best so far, of `time.monotonic()`.
        report: Takes a step and its loss on the rows kept aside, and may raise Pruned; families that learn
            in one step do not call it.
        give_up_at: When several fits of which this is one are given up rather than ended; not for families.
    """

    stop_at: float
    report: Callable[[int, float], None] = lambda _step, _loss: None
    give_up_at: float = float("inf")


class Graph(Protocol):
    """A trained model in TensorFlow. `owners` have its variables, tables and assets."""

    @property
    def owners(self) -> Sequence[Any]: ...

    def __call__(self, raw: Mapping[str, Any], /) -> Any:
        """Take a tensor per feature, float32 or string, `[rows]`; return answers, float32."""


class Trained(Protocol):
    """A trained model of any family. Answers are float32, `[rows]` or `[rows, objective.width]`.

    `params` is what it was trained with, and what became of it (trees, epochs); `curves` maps a series to its
    value per step of training.
    """

    @property
    def family(self) -> Family: ...

    @property
    def params(self) -> Params: ...

    @property
    def curves(self) -> Curves: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def objective(self) -> Objective: ...

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them: what the exported model must answer as well."""

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer rows that are encoded already, by the same plan; labels and weights are not read."""

    def graph(self, folder: Path) -> Graph:
        """Return the model in TensorFlow; files it leaves in `folder` must stay until it is exported."""


class Learner(Protocol):
    """A family. It keeps nothing between calls."""

    def supports(self, objective: Objective) -> str | None:
        """Return None, or why the family cannot learn this."""

    def defaults(self, examples: Examples) -> Params:
        """Return a good first choice for these rows."""

    def suggest(self, trial: "optuna.Trial", examples: Examples) -> Params:
        """Choose from what is worth trying."""

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> Trained:
        """Train on `learn` until `check` says that more does not help, or time is over.

        Params that are missing are as in `defaults`, those of another family or time are not read.
        """


# Families that train without TensorFlow do so while it loads.
WITHOUT_TENSORFLOW: frozenset[Family] = frozenset({"linear", "boosted-trees", "random-forest"})


def load_learner(
    family: Family, data: TrainingData | None = None, spec: PipelineSpec | None = None
) -> Learner:
    """Return the learner of a family; only that of `custom` needs the data and the spec."""
    match family:
        case "linear":
            from tidemill_trainer.families.linear import LinearLearner  # noqa: PLC0415

            return LinearLearner()
        case "deep":
            from tidemill_trainer.families.deep import DeepLearner  # noqa: PLC0415

            return DeepLearner()
        case "boosted-trees":
            from tidemill_trainer.families.boosted_trees import BoostedTreesLearner  # noqa: PLC0415

            return BoostedTreesLearner()
        case "random-forest":
            from tidemill_trainer.families.random_forest import RandomForestLearner  # noqa: PLC0415

            return RandomForestLearner()
        case "custom":
            from tidemill_trainer.families.custom import custom_learner  # noqa: PLC0415

            return custom_learner(data, spec)
        case "ensemble":
            raise ValueError("expected a family that learns from rows, received one that is made of others")
