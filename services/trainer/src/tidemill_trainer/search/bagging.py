"""More models of the best hyper-parameters, each of which has other rows kept aside: their mean is better.

The rows stay divided as they were for the search, whose model is the first one: what it answers to its kept
rows is comparable with all that was tried.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tidemill_contracts.training_spec import Family, Training
from tidemill_runtime.logs import get_logger
from tidemill_trainer.data import TrainingData
from tidemill_trainer.families import Examples, Trained, make_examples
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.search.attempts import Attempt, Outcome
from tidemill_trainer.search.folds import FOLDS, Fold, later_folds
from tidemill_trainer.search.lanes import can_run_beside
from tidemill_trainer.search.material import Material, Part

# So much of the search's time is kept for it, at most.
BAG_SHARE = 0.28
# A fold may take this much longer than the first one did.
SLACK = 1.2
# All rows are encoded once more for it.
MOST_ROWS = 1_000_000
# A linear model learns the same from every fold; one of the user's own is served as it is.
NOT_BAGGED: frozenset[Family] = frozenset({"linear", "custom"})
# An ensemble's members with this weight are worth it too.
LEAST_WEIGHT = 0.2


def can_be_bagged(material: Material, training: Training) -> bool:
    """Say whether there is time for it, and rows that were divided once, in no order of time."""
    is_divided_once = len(material.parts) == 1 and not material.is_by_time
    return training.budget_seconds is not None and is_divided_once and len(material.rows) <= MOST_ROWS


def bag_seconds(first_seconds: float) -> float:
    """Return how long the other folds take, one after the other."""
    return SLACK * (FOLDS - 1) * first_seconds


@dataclass(frozen=True)
class Division:
    """All rows, and the folds that the search has not used."""

    material: Material
    examples: Examples
    folds: tuple[Fold, ...]

    def of(self, place: int) -> Material:
        """Return a fold, of those from 1."""
        fold = self.folds[place - 1]
        part = Part(self.examples.take(fold.learn), self.examples.take(fold.check), fold.check)
        return replace(self.material, parts=(part,))


def divide(material: Material, data: TrainingData) -> Division:
    """Divide the rows as they were for the search."""
    plan = material.parts[0].learn.plan
    examples = make_examples(plan, encode_rows(plan, data.train), data.train, data.objective)
    return Division(material, examples, later_folds(examples, data.belonging, seed=data.seed))


class Bagging:
    """Trains the other folds of families, the first one's first, while there is time."""

    def __init__(self, best: Mapping[Family, Outcome], division: Division, *, stop_at: float) -> None:
        """Take the best of each family that is to be bagged, the most important first."""
        self._best, self._stop_at = best, stop_at
        places = range(1, len(division.folds) + 1)
        self._open = [*product(best, places)]
        self._models: dict[Family, list[Trained]] = {family: [] for family in best}

    def next(self, running: Sequence[Attempt]) -> Attempt | None:
        """Propose a fold that has time."""
        for family, place in [*self._open]:
            trial = self._best[family].trial
            if not can_run_beside(family, running):
                continue
            self._open.remove((family, place))
            if time.monotonic() + SLACK * trial.seconds < self._stop_at:
                return Attempt(
                    family=family,
                    origin=trial.origin,
                    params=trial.params,
                    number=trial.number,
                    stop_at=self._stop_at,
                    left_out=trial.left_out,
                    fold=place,
                )
        return None

    def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Take in a model, unless it was cut short."""
        is_whole = outcome.fitted is not None and time.monotonic() < self._stop_at
        if outcome.fitted and is_whole:
            self._models[attempt.family].append(outcome.fitted.trained)
        facts = {"family": attempt.family, "fold": attempt.fold, "is_kept": is_whole}
        get_logger().info("fold-trained", **facts, seconds=outcome.trial.seconds)

    def results(self) -> dict[Family, Outcome]:
        """Return the best of each family with all its models; its answers stay those of the first."""
        return {
            family: _with(self._best[family], models) for family, models in self._models.items() if models
        }


def _with(outcome: Outcome, models: Sequence[Trained]) -> Outcome:
    if outcome.fitted is None:
        return outcome
    return replace(outcome, fitted=replace(outcome.fitted, models=(*outcome.fitted.models, *models)))
