"""Metrics of declared parts of the rows."""

from collections.abc import Sequence

import numpy as np

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.intervals import DEFAULT_RESAMPLING, Estimate, Resampling, estimate_metrics
from tidemill_trainer.evaluation.parts import divide_by_all
from tidemill_trainer.evaluation.scored import Columns, Scored

MAX_PARTS = 20


class SliceMetrics(ProfileModel):
    """The rows for which a condition holds. `metrics` is empty when they are too few to be measured."""

    columns: tuple[str, ...]
    condition: str
    rows: int
    metrics: dict[str, Estimate]


def measure_slices(
    scored: Scored,
    columns: Columns,
    declared: Sequence[Sequence[str]],
    *,
    min_rows: int = 100,
    max_slices: int = 100,
    how: Resampling = DEFAULT_RESAMPLING,
) -> tuple[SliceMetrics, ...]:
    """Measure every part of the rows that declared columns make.

    Args:
        scored: The rows.
        columns: Their columns, `[rows]` each: numbers with NaN for missing, or texts with "" for missing.
        declared: Columns to divide by; several at once make combinations.
        min_rows: Smaller parts are named, not measured.
        max_slices: How many parts of each declaration are told, largest first.
        how: How intervals are found.
    """
    return tuple(
        part
        for names in declared
        for part in _slices(scored, columns, tuple(names), (min_rows, max_slices), how)
    )


def _slices(
    scored: Scored, columns: Columns, names: tuple[str, ...], limits: tuple[int, int], how: Resampling
) -> list[SliceMetrics]:
    parts = divide_by_all(columns, names, MAX_PARTS)
    counts = np.bincount(parts.codes, minlength=len(parts.conditions))
    by_part = np.split(np.argsort(parts.codes, kind="stable"), np.cumsum(counts)[:-1])
    min_rows, max_slices = limits
    return [
        SliceMetrics(
            columns=names,
            condition=parts.conditions[code],
            rows=int(counts[code]),
            metrics=estimate_metrics(scored.take(by_part[code]), how) if counts[code] >= min_rows else {},
        )
        for code in np.argsort(-counts, kind="stable")[:max_slices]
        if counts[code]
    ]
