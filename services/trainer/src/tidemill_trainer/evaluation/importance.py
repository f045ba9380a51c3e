"""How much worse a model answers without what a feature says: permutation importance, with intervals."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.influence import Influence, against_zero, influence
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.metrics import DECIDING_METRIC, sign_of
from tidemill_trainer.evaluation.scored import Columns, FloatArray, Scored

# From columns, `[rows]` each, to what a model answers, as `Scored.predictions` has it.
Predict = Callable[[Columns], NDArray[Any]]

# A drop below this share of the metric is no reason to keep a feature.
NEGLIGIBLE = 0.001


class FeatureImportance(ProfileModel):
    """How much worse the metric gets, in its units, when a column is shuffled.

    `is_useless` says that leaving them out might lose nothing: the drop is negligible, and may be none.
    """

    name: str
    drop: Estimate
    repeats: int
    is_useless: bool


class Importance(ProfileModel):
    """Features by falling importance; `unmeasured` are those for which there was no time."""

    metric: str
    value: float
    rows: int
    features: tuple[FeatureImportance, ...]
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class Effort:
    """What may be spent. The results depend on the clock only in how many repeats there are."""

    repeats: int = 5
    max_rows: int = 20_000
    max_seconds: float = 60.0
    seed: int = 0
    clock: Callable[[], float] = time.monotonic


DEFAULT_EFFORT = Effort()


def permutation_importance(
    predict: Predict,
    scored: Scored,
    columns: Columns,
    *,
    metric: str | None = None,
    effort: Effort = DEFAULT_EFFORT,
) -> Importance:
    """Measure what each feature brings, on rows that the model has not learned.

    Args:
        predict: The model.
        scored: The rows with finite answers of this model.
        columns: Their columns, as `predict` takes them.
        metric: roc_auc, rmse, or a mean over rows (see LOSSES); None: the one that decides for the task.
        effort: What may be spent.

    Raises:
        ValueError: The metric is another, or is not defined for these rows.
    """
    name = metric or DECIDING_METRIC[scored.task]
    some = np.sort(np.random.default_rng(effort.seed).permutation(len(scored))[: effort.max_rows])
    rows = scored.take(some)
    whole = influence(rows, name)
    if whole is None:
        raise ValueError(f"expected a metric that every row adds to, defined for these rows, received {name}")
    shuffled: dict[str, list[Influence]] = {column: [] for column in columns}
    inputs = {column: values[some] for column, values in columns.items()}
    for column, answers in _shuffle(predict, inputs, effort):
        measured = influence(replace(rows, predictions=answers), name)
        shuffled[column] += [measured] if measured else []
    drops = {column: _drop(whole, found, rows, name) for column, found in shuffled.items()}
    features = [
        _describe(column, drop, len(shuffled[column]), whole) for column, drop in drops.items() if drop
    ]
    return Importance(
        metric=name,
        value=whole.value,
        rows=len(rows),
        features=tuple(sorted(features, key=lambda feature: -feature.drop.value)),
        unmeasured=tuple(column for column, drop in drops.items() if not drop),
    )


def _shuffle(predict: Predict, inputs: Columns, effort: Effort) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the answers without what each column says, once for all columns before any a second time."""
    deadline = effort.clock() + effort.max_seconds
    rows = len(next(iter(inputs.values())))
    for repeat in range(effort.repeats):
        for place, column in enumerate(inputs):
            if effort.clock() >= deadline:
                return
            order = np.random.default_rng([effort.seed, repeat, place]).permutation(rows)
            yield column, predict({**inputs, column: inputs[column][order]})


def _drop(whole: Influence, shuffled: Sequence[Influence], rows: Scored, metric: str) -> Estimate | None:
    """Return how much worse the metric got on average; None when it was not measured."""
    if not shuffled:
        return None
    sign = sign_of(metric)
    value = float(np.mean([found.value for found in shuffled]))
    moved: FloatArray = np.mean([found.rows for found in shuffled], axis=0)
    tested = against_zero(sign * (whole.value - value), sign * (whole.rows - moved), rows, confidence=0.95)
    return tested[0] if tested else None


def _describe(name: str, drop: Estimate, repeats: int, whole: Influence) -> FeatureImportance:
    is_useless = drop.low <= 0 and drop.value < NEGLIGIBLE * abs(whole.value)
    return FeatureImportance(name=name, drop=drop, repeats=repeats, is_useless=is_useless)
