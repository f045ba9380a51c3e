"""Answers to held-out rows, looked at from every side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_trainer.evaluation.agreement import agreement, confusion
from tidemill_trainer.evaluation.comparison import compare
from tidemill_trainer.evaluation.fairness import Fairness, measure_fairness
from tidemill_trainer.evaluation.importance import Predict
from tidemill_trainer.evaluation.intervals import Resampling, estimate_metrics
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.evaluation.reliability import reliability
from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.evaluation.search import MAX_ROWS, WeakSlice, find_weak_slices
from tidemill_trainer.evaluation.slices import Limits, Rival, SliceMetrics, measure_slices
from tidemill_trainer.evaluation.thresholds import best_threshold, threshold_table
from tidemill_trainer.judging.findings import Findings, RowsResult
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.judging.inside import look_inside

CHAMPION, CONSTANT = "champion", "constant"
# Fewer resamples where time is short: the ends of an interval then move by a twentieth of its width.
RESAMPLES, FEW_RESAMPLES = 400, 200
# Rows of a slice that is at least shown.
SHOWN_ROWS = 100


@dataclass(frozen=True)
class Subject:
    """A model that is to be judged: its answers to the held-out rows, and how to ask it more."""

    answers: NDArray[Any]
    predict: Predict


def find_out(
    subject: Subject, others: Mapping[str, NDArray[Any]], held_out: HeldOut, spec: PipelineSpec
) -> Findings:
    """Measure a model whose answers are all finite.

    Args:
        subject: The model.
        others: Answers of other models to the same rows: `linear`, and `champion` where there is one.
        held_out: The rows, of which the model has learned none.
        spec: What slices and groups are declared, and how much time there is.
    """
    scored = held_out.answered(subject.answers)
    rivals = {CONSTANT: scored.by_constant()} | {
        name: held_out.answered(answers) for name, answers in others.items()
    }
    how = _resampling(spec)
    importance, dependence, skipped = look_inside(subject.predict, scored, held_out, spec.training)
    return Findings(
        task=scored.task,
        decides=held_out.objective.metric,
        held_out=rows_result(scored, rivals, held_out.objective.metric, how),
        newest=_newest(scored, rivals, held_out, how),
        slices=_declared_slices(scored, rivals.get(CHAMPION), held_out, spec, how),
        weak_slices=_weak_slices(scored, held_out, spec.training.seed),
        fairness=tuple(_fairness(scored, held_out, spec, how)),
        importance=importance,
        dependence=dependence,
        skipped=(*(f"{name}: {why}" for name, why in held_out.aside.absent.items()), *skipped),
        **_by_task(scored),
    )


def rows_result(scored: Scored, rivals: Mapping[str, Scored], metric: str, how: Resampling) -> RowsResult:
    """Measure rows, and compare the model with each rival on them."""
    found = {name: compare(scored, rival, metric, how) for name, rival in rivals.items() if rival.is_finite}
    return RowsResult(
        rows=len(scored),
        metrics=estimate_metrics(scored, how),
        others={name: measure_scored(rival) for name, rival in rivals.items()},
        comparisons={name: comparison for name, comparison in found.items() if comparison is not None},
    )


def _resampling(spec: PipelineSpec) -> Resampling:
    resamples = FEW_RESAMPLES if spec.training.budget_seconds is None else RESAMPLES
    return Resampling(resamples=resamples, seed=spec.training.seed)


def _newest(
    scored: Scored, rivals: Mapping[str, Scored], held_out: HeldOut, how: Resampling
) -> RowsResult | None:
    is_newest = held_out.aside.is_newest
    if is_newest.all() or not scored.row_weights[is_newest].any():
        return None
    newest = {name: rival.take(is_newest) for name, rival in rivals.items()}
    return rows_result(scored.take(is_newest), newest, held_out.objective.metric, how)


def _declared_slices(
    scored: Scored, champion: Scored | None, held_out: HeldOut, spec: PipelineSpec, how: Resampling
) -> tuple[SliceMetrics, ...]:
    columns = held_out.aside.columns
    return measure_slices(
        scored,
        columns,
        [names for names in spec.slices if all(name in columns for name in names)],
        rival=Rival(champion, held_out.objective.metric) if champion is not None else None,
        limits=Limits(min_rows=min(SHOWN_ROWS, spec.blessing.slices.min_rows)),
        how=how,
    )


def _weak_slices(scored: Scored, held_out: HeldOut, seed: int) -> tuple[WeakSlice, ...]:
    """Search by the features whose values come again."""
    drawn = held_out.sample(MAX_ROWS, seed)
    names = {feature.name for feature in held_out.features if feature.kind in ("numeric", "categorical")}
    columns = held_out.rows.take(drawn).columns()
    searched = {name: values for name, values in columns.items() if name in names}
    return find_weak_slices(scored.take(drawn), searched, seed=seed)


def _fairness(scored: Scored, held_out: HeldOut, spec: PipelineSpec, how: Resampling) -> Iterator[Fairness]:
    limits = spec.blessing.fairness
    if limits is None or scored.task != "binary":
        return
    for name in limits.groups:
        if name in held_out.aside.columns:
            yield measure_fairness(
                scored,
                held_out.aside.columns,
                (name,),
                threshold=limits.threshold,
                min_rows=limits.min_rows,
                how=how,
            )


def _by_task(scored: Scored) -> dict[str, Any]:
    """Return the parts of the findings that only one task has."""
    if scored.task == "regression":
        return {"agreement": agreement(scored)}
    if scored.task == "multiclass":
        return {"reliability": reliability(scored), "confusion": confusion(scored)}
    return {
        "reliability": reliability(scored),
        "thresholds": threshold_table(scored),
        "best_threshold": best_threshold(scored, "f1"),
    }
