"""What a model makes of its features: found out by asking it about rows that were changed."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Training
from tidemill_trainer.evaluation.dependence import Dependence, partial_dependence
from tidemill_trainer.evaluation.importance import Effort, Importance, Predict, permutation_importance
from tidemill_trainer.evaluation.influence import measurable
from tidemill_trainer.evaluation.scored import Columns, Scored
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.objective import Objective

# Under `fast`, seconds for importance and as many for dependence; else a share of the budget.
FAST_SECONDS = 1.5
SHARE_OF_BUDGET = 0.02
MAX_SECONDS = 60.0
ROWS, FAST_ROWS = 20_000, 2_000
MAX_DEPENDENCES = 8


def look_inside(
    predict: Predict, scored: Scored, held_out: HeldOut, training: Training
) -> tuple[Importance | None, tuple[Dependence, ...], tuple[str, ...]]:
    """Return how much each feature matters, how the answers depend on the foremost, and what was left out."""
    is_fast = training.budget_seconds is None
    seconds = FAST_SECONDS if is_fast else min(MAX_SECONDS, SHARE_OF_BUDGET * (training.budget_seconds or 0))
    rows = FAST_ROWS if is_fast else ROWS
    drawn = held_out.sample(rows, training.seed)
    columns, some = held_out.rows.take(drawn).columns(), scored.take(drawn)
    metric = measurable(some, held_out.objective.metric)
    if metric is None:
        return None, (), ("importance of features: no metric is defined for these rows",)
    importance = permutation_importance(
        predict,
        some,
        columns,
        metric=metric,
        effort=Effort(max_rows=rows, max_seconds=seconds, seed=training.seed),
    )
    kinds = {feature.name: feature.kind for feature in held_out.features}
    wanted = [
        feature.name
        for feature in importance.features
        if kinds[feature.name] in ("numeric", "categorical") and not feature.is_useless
    ]
    one = _one_answer(predict, held_out.objective)
    dependence = _dependence(one, columns, wanted[:MAX_DEPENDENCES], seconds)
    skipped = []
    if importance.unmeasured:
        skipped.append(f"importance of {len(importance.unmeasured)} features: there was no time")
    if len(dependence) < len(wanted[:MAX_DEPENDENCES]):
        skipped.append("partial dependence of some features: there was no time")
    return importance, dependence, tuple(skipped)


def _dependence(
    predict: Predict, columns: Columns, wanted: list[str], seconds: float
) -> tuple[Dependence, ...]:
    deadline = time.monotonic() + seconds
    found: list[Dependence] = []
    for name in wanted:
        if time.monotonic() >= deadline:
            break
        found.append(partial_dependence(predict, columns, name, max_rows=300))
    return tuple(found)


def shown_class(objective: Objective) -> int:
    """Return the index of the class whose probability is shown: the most frequent one."""
    return int(np.argmax(objective.constant))


def _one_answer(predict: Predict, objective: Objective) -> Predict:
    """Reduce answers to one number per row."""
    if not objective.width:
        return predict
    place = shown_class(objective) if objective.task == "multiclass" else objective.middle

    def one(columns: Columns) -> NDArray[Any]:
        answers: NDArray[Any] = predict(columns)[:, place]
        return answers

    return one
