"""What every trial of a search learns from, and is checked on."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.belonging import Indices
from tidemill_trainer.data import Rows, TrainingData
from tidemill_trainer.evaluation.metrics import measure_scored, sign_of
from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.families import Examples, make_examples
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.preprocessing.narrowing import without
from tidemill_trainer.preprocessing.plan import make_plan
from tidemill_trainer.search.folds import make_folds


class NoScore(Exception):
    """The answers have no value of the deciding metric."""


@dataclass(frozen=True)
class Part:
    """One way to divide the rows: those to learn from, and those to check on, `kept` their indices."""

    learn: Examples
    check: Examples
    kept: Indices


@dataclass(frozen=True)
class Material:
    """Rows of training, divided once or, where they are few, several times.

    `is_by_time` says that they have an order, and the newest are kept aside.
    """

    rows: Rows
    parts: tuple[Part, ...]
    is_by_time: bool = False

    @property
    def objective(self) -> Objective:
        """What is learned."""
        return self.parts[0].learn.objective

    @cached_property
    def kept(self) -> Indices:
        """Indices of all rows that are kept aside by some part, part by part."""
        return np.concatenate([part.kept for part in self.parts])

    @property
    def sign(self) -> int:
        """What to multiply a score by, to make less of it better."""
        return -sign_of(self.objective.metric)

    def without(self, left_out: Collection[str]) -> "Material":
        """Return the same rows without some features."""
        if not left_out:
            return self
        narrowed = without(self.parts[0].learn.plan, left_out)

        def narrow(examples: Examples) -> Examples:
            return replace(examples, plan=narrowed.plan, encoded=narrowed.narrow(examples.encoded))

        parts = (Part(narrow(part.learn), narrow(part.check), part.kept) for part in self.parts)
        return replace(self, parts=tuple(parts))

    def scored(self, answers: NDArray[Any], kept: Indices | None = None) -> Scored:
        """Hold answers against what is true, of the rows at `kept`, or of all that are kept aside."""
        chosen = self.kept if kept is None else kept
        weights = None if self.rows.weights is None else self.rows.weights[chosen]
        return self.objective.scored(self.rows.labels[chosen], answers, weights)

    def score(self, answers: NDArray[Any], kept: Indices | None = None) -> float:
        """Return the deciding metric of such answers; raise NoScore where it is not defined."""
        metric = self.objective.metric
        metrics = measure_scored(self.scored(answers, kept)) if np.isfinite(answers).all() else {}
        if metric not in metrics:
            raise NoScore(
                f"expected answers to {len(answers)} rows that have a {metric}, received such as have none"
            )
        return metrics[metric]


def make_material(data: TrainingData, *, cross_validate: bool) -> Material:
    """Encode and divide the training rows."""
    plan = make_plan(data)
    examples = make_examples(plan, encode_rows(plan, data.train), data.train, data.objective)
    folds = make_folds(examples, data.belonging, seed=data.seed, cross_validate=cross_validate)
    parts = (Part(examples.take(fold.learn), examples.take(fold.check), fold.check) for fold in folds)
    return Material(data.train, tuple(parts), is_by_time=data.belonging.times is not None)
