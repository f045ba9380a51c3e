"""Whether a model may serve. Pure: what was measured goes in, reasons against it come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill_contracts.events import Reason
from tidemill_contracts.training_spec import Blessing
from tidemill_trainer.trainings import Candidate, Data

LOWER_IS_BETTER = frozenset({"log_loss"})


@dataclass(frozen=True)
class Champion:
    """The newest blessed model of a pipeline, measured on the same rows as the candidates."""

    version: int
    data: Data
    metrics: Mapping[str, float]


def choose(candidates: Sequence[Candidate], metric: str) -> Candidate:
    """Return the best candidate without defects; the first one when all have some."""
    sound = [candidate for candidate in candidates if not candidate.defects]
    if not sound:
        return candidates[0]
    return max(sound, key=lambda candidate: _goodness(metric, candidate.metrics[metric]))


def judge(
    candidate: Candidate, blessing: Blessing, *, data: Data, champion: Champion | None
) -> tuple[Reason, ...]:
    """Return every reason why the candidate may not serve; none means it is blessed."""
    if candidate.defects:
        return candidate.defects
    return (
        *_below_thresholds(candidate.metrics, blessing),
        *_not_better_than_constant(candidate.metrics),
        *(_beaten_by(champion, candidate.metrics, blessing, data) if champion else ()),
    )


def _goodness(metric: str, value: float) -> float:
    return -value if metric in LOWER_IS_BETTER else value


def _below_thresholds(metrics: Mapping[str, float], blessing: Blessing) -> Sequence[Reason]:
    return [
        Reason(
            code="below-threshold",
            message=f"expected {metric} {'<=' if metric in LOWER_IS_BETTER else '>='} {limit:.4g}, "
            f"received {metrics[metric]:.4g}",
        )
        for metric, limit in (blessing.min_metrics or {"roc_auc": 0.6}).items()
        if _goodness(metric, metrics[metric]) < _goodness(metric, limit)
    ]


def _not_better_than_constant(metrics: Mapping[str, float]) -> Sequence[Reason]:
    constant, received = metrics["baseline_log_loss"], metrics["log_loss"]
    if received < constant:
        return []
    message = f"expected log_loss < {constant:.4g}, which a constant reaches, received {received:.4g}"
    return [Reason(code="not-better-than-constant", message=message)]


def _beaten_by(
    champion: Champion, metrics: Mapping[str, float], blessing: Blessing, data: Data
) -> Sequence[Reason]:
    reasons = []
    metric = blessing.metric or "roc_auc"
    if champion.data > data:
        message = (
            f"expected data newer than {champion.data}, which version {champion.version} was trained on, "
            f"received {data}"
        )
        reasons.append(Reason(code="stale-dataset", message=message))
    expected = champion.metrics.get(metric)
    if expected is None:
        return reasons
    regression = _goodness(metric, expected) - _goodness(metric, metrics[metric])
    if regression > blessing.max_regression:
        message = (
            f"expected {metric} within {blessing.max_regression:.4g} of {expected:.4g}, which version "
            f"{champion.version} reaches on the same rows, received {metrics[metric]:.4g}"
        )
        reasons.append(Reason(code="worse-than-champion", message=message))
    return reasons
