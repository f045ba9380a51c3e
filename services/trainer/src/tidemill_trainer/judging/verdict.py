"""Whether a model may serve. Pure: what was found out goes in, reasons against it come out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Task
from tidemill_contracts.training_spec import BASELINE, Blessing
from tidemill_trainer.evaluation.comparison import Comparison
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.metrics import limit_text, sign_of
from tidemill_trainer.judging.findings import Findings, Served
from tidemill_trainer.trainings import Candidate, Data

MIB = 1 << 20
DEFAULT_MIN_METRICS: Mapping[Task, Mapping[str, float]] = {
    "binary": {"roc_auc": 0.6},
    "multiclass": {},
    "regression": {},
}
# In the units of the label: what is tolerated of them is a share of the other model's value.
IN_UNITS_OF_THE_LABEL = frozenset(
    {"rmse", "mae", "median_absolute_error", "mean_poisson_deviance", "pinball_loss"}
)


@dataclass(frozen=True)
class Incumbent:
    """The newest blessed model of a pipeline, which a new one has to be a match for."""

    version: int
    data: Data


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a verdict rests on.

    `defects` alone are reason enough; without any, there are `findings`. `served` is None when there was no
    model server to ask. `ranges` tells between what its weights and its answers lie.
    """

    data: Data
    findings: Findings | None
    incumbent: Incumbent | None = None
    defects: tuple[Reason, ...] = ()
    size_bytes: int = 0
    served: Served | None = None
    ranges: str = ""


def choose(candidates: Sequence[Candidate], metric: str, *, min_gain_over_baseline: float = 0.0) -> Candidate:
    """Return the candidate without defects that has the best score; the first one when all have some.

    The linear model is chosen when none is better by the stated gain.
    """
    scores = {each.family: each.score for each in candidates if each.score is not None and not each.defects}
    if not scores:
        return candidates[0]
    best = max(scores, key=lambda family: _goodness(metric, scores[family]))
    if (simple := scores.get(BASELINE)) is not None:
        gain = _goodness(metric, scores[best]) - _goodness(metric, simple)
        best = BASELINE if gain <= tolerated(metric, min_gain_over_baseline, simple) else best
    return next(candidate for candidate in candidates if candidate.family == best)


def judge(case: Case, blessing: Blessing) -> tuple[Reason, ...]:
    """Return every reason why a model may not serve; none means it is blessed."""
    findings = case.findings
    if case.defects or findings is None:
        return case.defects
    return (
        *_below_thresholds(findings, blessing),
        *_not_better_than_constant(findings),
        *_stale(case),
        *_worse_than_champion(case, findings, blessing),
        *_slices(case, findings, blessing),
        *_unfair(findings, blessing),
        *_too_large(case.size_bytes, blessing),
        *_too_slow(case.served, blessing),
    )


def min_metrics(task: Task, blessing: Blessing) -> Mapping[str, float]:
    """Return the lowest acceptable value per metric: those of the spec, or what is usual for the task."""
    return (
        DEFAULT_MIN_METRICS[task]
        if blessing.min_metrics is None
        else {str(metric): limit for metric, limit in blessing.min_metrics.items()}
    )


def tolerated(metric: str, limit: float, value: float) -> float:
    """Return a tolerance in units of the metric; of what the label's units measure, it is a share."""
    return limit * abs(value) if metric in IN_UNITS_OF_THE_LABEL else limit


def _goodness(metric: str, value: float) -> float:
    return sign_of(metric) * value


def _below_thresholds(findings: Findings, blessing: Blessing) -> Iterator[Reason]:
    for metric, limit in min_metrics(findings.task, blessing).items():
        if message := _falls_short(findings.held_out.metrics, metric, limit):
            yield Reason(code="below-threshold", message=message)


def _falls_short(metrics: Mapping[str, Estimate], metric: str, limit: float) -> str | None:
    expected = f"expected {metric} {limit_text(metric, limit)}"
    if metric not in metrics:
        return f"{expected}, received none: it is not defined for these rows"
    value = metrics[metric].value
    is_short = _goodness(metric, value) < _goodness(metric, limit)
    return f"{expected}, received {value:.4g}" if is_short else None


def _not_better_than_constant(findings: Findings) -> Iterator[Reason]:
    """Of a binary task the loss has to be lower; of others, significantly so in the deciding metric."""
    comparison = findings.held_out.comparisons.get("constant")
    if findings.task == "binary":
        constant = findings.held_out.others["constant"]["log_loss"]
        received = findings.held_out.metrics["log_loss"].value
        if received >= constant:
            message = f"expected log_loss < {constant:.4g}, which a constant reaches, received {received:.4g}"
            yield Reason(code="not-better-than-constant", message=message)
    elif comparison is not None and comparison.gain.low <= 0:
        message = (
            f"expected {comparison.metric} better than {comparison.champion:.4g}, which a constant reaches, "
            f"received {comparison.candidate:.4g} ({told(comparison)})"
        )
        yield Reason(code="not-better-than-constant", message=message)


def _stale(case: Case) -> Iterator[Reason]:
    incumbent = case.incumbent
    if incumbent is not None and incumbent.data > case.data:
        message = (
            f"expected data newer than {incumbent.data}, which version {incumbent.version} was trained on, "
            f"received {case.data}"
        )
        yield Reason(code="stale-dataset", message=message)


def _worse_than_champion(case: Case, findings: Findings, blessing: Blessing) -> Iterator[Reason]:
    comparison = findings.held_out.comparisons.get("champion")
    if comparison is None or case.incumbent is None:
        return
    limit = tolerated(comparison.metric, blessing.max_regression, comparison.champion)
    if -comparison.gain.value > limit:
        message = (
            f"expected {comparison.metric} within {limit:.4g} of {comparison.champion:.4g}, which version "
            f"{case.incumbent.version} reaches on the same rows, received {comparison.candidate:.4g} "
            f"({told(comparison)})"
        )
        yield Reason(code="worse-than-champion", message=message)


def told(comparison: Comparison) -> str:
    """Say by how much one model is better or worse, and how sure that is."""
    gain, p_value = comparison.gain, comparison.p_value
    chance = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.2g}"
    return f"{gain.value:+.3g}, 95 % interval {gain.low:+.3g} to {gain.high:+.3g}, {chance}"


def _slices(case: Case, findings: Findings, blessing: Blessing) -> Iterator[Reason]:
    limits = blessing.slices
    for part in findings.slices:
        if part.rows < limits.min_rows:
            continue
        where = f"where {part.condition}, {part.rows} rows"
        for metric, limit in limits.min_metrics.items():
            if message := _falls_short(part.metrics, metric, limit):
                yield Reason(code="slice-below-threshold", message=f"{message} ({where})")
        if part.comparison is not None and case.incumbent is not None and limits.max_regression is not None:
            yield from _slice_regression(part.comparison, limits.max_regression, case.incumbent, where)


def _slice_regression(
    comparison: Comparison, max_regression: float, incumbent: Incumbent, where: str
) -> Iterator[Reason]:
    """Of so few rows one of many slices is always worse by chance: the interval has to be below zero too."""
    limit = tolerated(comparison.metric, max_regression, comparison.champion)
    if -comparison.gain.value > limit and comparison.gain.high < 0:
        message = (
            f"expected {comparison.metric} within {limit:.4g} of {comparison.champion:.4g}, which version "
            f"{incumbent.version} reaches {where}, received {comparison.candidate:.4g} ({told(comparison)})"
        )
        yield Reason(code="slice-worse-than-champion", message=message)


def _unfair(findings: Findings, blessing: Blessing) -> Iterator[Reason]:
    limits = blessing.fairness.max_gaps if blessing.fairness else {}
    for fairness in findings.fairness:
        for gap, limit in limits.items():
            found = fairness.gaps.get(gap)
            if found is not None and found.value > limit:
                message = (
                    f"expected {gap} <= {limit:.4g} between groups of {', '.join(fairness.columns)}, "
                    f"received {found.value:.4g} (95 % interval {found.low:.3g} to {found.high:.3g})"
                )
                yield Reason(code="unfair", message=message)


def _too_large(size_bytes: int, blessing: Blessing) -> Iterator[Reason]:
    if size_bytes > blessing.max_size_mib * MIB:
        message = (
            f"expected a SavedModel of at most {blessing.max_size_mib:g} MiB, received {size_bytes / MIB:.4g}"
        )
        yield Reason(code="too-large", message=message)


def _too_slow(served: Served | None, blessing: Blessing) -> Iterator[Reason]:
    if served is not None and served.p95_ms > blessing.max_latency_ms:
        message = (
            f"expected 95 % of the answers to one row within {blessing.max_latency_ms:g} ms, received them "
            f"within {served.p95_ms:.4g} ms"
        )
        yield Reason(code="too-slow", message=message)
