"""Metrics of declared parts of the rows, and in each of them the comparison with another model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.comparison import Comparison, compare
from tidemill_trainer.evaluation.intervals import DEFAULT_RESAMPLING, Estimate, Resampling, estimate_metrics
from tidemill_trainer.evaluation.parts import divide_by_all
from tidemill_trainer.evaluation.scored import Columns, Indices, Scored

MAX_PARTS = 20


class SliceMetrics(ProfileModel):
    """The rows for which a condition holds. `metrics` is empty when they are too few to be measured.

    `comparison` is with the other model, None when there is none, or it is not defined for these rows.
    """

    columns: tuple[str, ...]
    condition: str
    rows: int
    metrics: dict[str, Estimate]
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Rival:
    """Another model's answers to the same rows, and the metric in which the two are compared."""

    scored: Scored
    metric: str


@dataclass(frozen=True)
class Limits:
    """Smaller parts are named, not measured; of each declaration so many are told, largest first."""

    min_rows: int = 100
    max_slices: int = 100


DEFAULT_LIMITS = Limits()


def measure_slices(
    scored: Scored,
    columns: Columns,
    declared: Sequence[Sequence[str]],
    *,
    rival: Rival | None = None,
    limits: Limits = DEFAULT_LIMITS,
    how: Resampling = DEFAULT_RESAMPLING,
) -> tuple[SliceMetrics, ...]:
    """Measure every part of the rows that declared columns make.

    Args:
        scored: The rows.
        columns: Their columns, `[rows]` each: numbers with NaN for missing, or texts with "" for missing.
        declared: Columns to divide by; several at once make combinations.
        rival: What each part is compared with.
        limits: Which parts are measured.
        how: How intervals are found.
    """
    return tuple(
        SliceMetrics(columns=tuple(names), condition=condition, **_measure(scored, rival, rows, limits, how))
        for names in declared
        for condition, rows in _parts(columns, names, limits.max_slices)
    )


def _parts(columns: Columns, names: Sequence[str], most: int) -> list[tuple[str, Indices]]:
    """Return the condition and the rows of each part, the largest first."""
    parts = divide_by_all(columns, names, MAX_PARTS)
    counts = np.bincount(parts.codes, minlength=len(parts.conditions))
    by_part = np.split(np.argsort(parts.codes, kind="stable"), np.cumsum(counts)[:-1])
    largest = np.argsort(-counts, kind="stable")[:most]
    return [(parts.conditions[code], by_part[code]) for code in largest if counts[code]]


def _measure(
    scored: Scored, rival: Rival | None, rows: Indices, limits: Limits, how: Resampling
) -> dict[str, Any]:
    if len(rows) < limits.min_rows or not scored.row_weights[rows].any():
        return {"rows": len(rows), "metrics": {}}
    part = scored.take(rows)
    comparison = compare(part, rival.scored.take(rows), rival.metric, how) if rival else None
    return {"rows": len(rows), "metrics": estimate_metrics(part, how), "comparison": comparison}
