"""An ensemble: the weighted mean of models that is best on rows kept aside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.evaluation.quantiles import pinball_losses
from tidemill_trainer.families import Curves, Examples, Graph, Params, Trained
from tidemill_trainer.families.mixing import mix_answers, mix_graphs
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.narrowing import without
from tidemill_trainer.preprocessing.plan import Plan

# Weights are multiples of one in so many, or fewer.
ROUNDS = 25
SMALLEST_ANSWER = 1e-7
NEXT_TO_NOTHING = 1e-5


@dataclass(frozen=True)
class Ensemble:
    """Members with their weights, which add up to 1; see `Trained`."""

    members: tuple[Trained, ...]
    weights: tuple[float, ...]
    curves: Curves

    @property
    def family(self) -> Family:
        """The family of all ensembles."""
        return "ensemble"

    @property
    def params(self) -> Params:
        """The weight of every member."""
        names = [member.family for member in self.members]
        return {
            f"weight of {name} {place}" if names.count(name) > 1 else f"weight of {name}": round(weight, 4)
            for place, (name, weight) in enumerate(zip(names, self.weights, strict=True))
        }

    @property
    def plan(self) -> Plan:
        """The plan of the member that reads most, with the features of all of them."""
        widest = max((member.plan for member in self.members), key=lambda plan: len(plan.features))
        features = dict.fromkeys(
            feature
            for plan in (widest, *(member.plan for member in self.members))
            for feature in plan.features
        )
        return widest if len(features) == len(widest.features) else replace(widest, features=(*features,))

    @property
    def objective(self) -> Objective:
        """That of all members."""
        return self.members[0].objective

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        return mix_answers([member.predict(columns) for member in self.members], self.weights)

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer rows that the plan of any model of the same features encoded, or of more of them."""
        answers = [member.answer(_narrowed(examples, member.plan)) for member in self.members]
        return mix_answers(answers, self.weights)

    def graph(self, folder: Path) -> Graph:
        """Return all members in TensorFlow."""
        return mix_graphs(self.members, self.weights, folder)


def ensemble(
    members: Sequence[tuple[Trained, NDArray[np.float32]]],
    labels: NDArray[Any],
    weights: NDArray[np.float32] | None,
    objective: Objective,
) -> tuple[Ensemble, NDArray[np.float32]]:
    """Mix models, by Caruana et al., Ensemble Selection from Libraries of Models (2004).

    Args:
        members: Models with their answers to rows that they have not learned from.
        labels: Of those rows.
        weights: How much each of those rows counts; None: all alike.
        objective: What is learned.

    Returns:
        The ensemble, of those members alone that have a part in it, and its answers to the same rows.
    """
    answers = np.stack([answer for _, answer in members]).astype(np.float64)
    counts = best = np.zeros(len(members), np.int64)
    curve: list[float] = []
    total: NDArray[np.float64] = np.zeros_like(answers[0])
    for rounds in range(1, ROUNDS + 1):
        losses = [_loss(objective, labels, (total + answer) / rounds, weights) for answer in answers]
        # A member that adds next to nothing would only be one more to serve.
        chosen = int(np.argmin(np.array(losses) + NEXT_TO_NOTHING * np.abs(losses) * (counts == 0)))
        total, counts = total + answers[chosen], counts + (np.arange(len(members)) == chosen)
        if losses[chosen] < min(curve, default=np.inf):
            best = counts
        curve.append(losses[chosen])
    parts = [(*members[place], count / best.sum()) for place, count in enumerate(best) if count]
    mixed = Ensemble(
        members=tuple(trained for trained, _, _ in parts),
        weights=tuple(float(share) for _, _, share in parts),
        curves={"validation_loss": tuple(curve)},
    )
    return mixed, mix_answers([answer for _, answer, _ in parts], mixed.weights)


def _narrowed(examples: Examples, plan: Plan) -> Examples:
    if examples.plan == plan:
        return examples
    left_out = set(examples.plan.features).difference(plan.features)
    narrowed = without(examples.plan, {feature.name for feature in left_out})
    return replace(examples, plan=narrowed.plan, encoded=narrowed.narrow(examples.encoded))


def _loss(
    objective: Objective,
    labels: NDArray[Any],
    answers: NDArray[np.float64],
    weights: NDArray[np.float32] | None,
) -> float:
    return float(np.average(_losses(objective, labels, answers), weights=weights))


def _losses(objective: Objective, labels: NDArray[Any], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    if objective.task == "binary":
        losses = _surprise(np.where(labels, answers, 1 - answers))
    elif objective.task == "multiclass":
        losses = _surprise(answers[np.arange(len(labels)), labels])
    elif objective.quantiles:
        losses = pinball_losses(labels, answers, objective.quantiles)
    elif objective.loss == "poisson":
        losses = answers + labels * _surprise(answers)
    else:
        losses = (labels - answers) ** 2
    return losses


def _surprise(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    surprise: NDArray[np.float64] = -np.log(np.maximum(answers, SMALLEST_ANSWER))
    return surprise
