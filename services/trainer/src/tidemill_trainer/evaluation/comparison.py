"""Whether one model is better than another, on the same rows."""

from typing import Literal

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.influence import against_zero, influence
from tidemill_trainer.evaluation.intervals import DEFAULT_RESAMPLING, Estimate, Resampling, bootstrap
from tidemill_trainer.evaluation.metrics import METRICS, Weighted, measure_scored, sign_of
from tidemill_trainer.evaluation.scored import FloatArray, Indices, Scored


class Comparison(ProfileModel):
    """A candidate and a champion on the same rows.

    `gain` is how much better the candidate is, in units of the metric: its interval lies above 0 when the
    candidate is better for sure, below when it is worse for sure. `p_value` is two-sided.
    """

    metric: str
    candidate: float
    champion: float
    gain: Estimate
    p_value: float
    method: Literal["delong", "paired-t", "paired-bootstrap"]


def compare(
    candidate: Scored, champion: Scored, metric: str, how: Resampling = DEFAULT_RESAMPLING
) -> Comparison | None:
    """Test whether two models differ in a metric that has a better side.

    Rows of a group are taken together. roc_auc, rmse, and means over rows are tested without resampling,
    `how` gives the confidence alone. None when the metric is not defined for these rows; ValueError
    when the rows are not the same.
    """
    _check_same_rows(candidate, champion)
    sign = sign_of(metric)
    ours, theirs = influence(candidate, metric), influence(champion, metric)
    if ours is None or theirs is None:
        return _compare_resampled(candidate, champion, metric, how)
    tested = against_zero(
        sign * (ours.value - theirs.value), sign * (ours.rows - theirs.rows), candidate, how.confidence
    )
    if tested is None:
        return None
    return Comparison(
        metric=metric,
        candidate=ours.value,
        champion=theirs.value,
        gain=tested[0],
        p_value=tested[1],
        method="delong" if metric == "roc_auc" else "paired-t",
    )


def _check_same_rows(candidate: Scored, champion: Scored) -> None:
    if not np.array_equal(candidate.truth, champion.truth):
        raise ValueError(
            f"expected two models on the same rows, received {len(candidate)} and {len(champion)} rows "
            "whose labels differ"
        )


def _compare_resampled(
    candidate: Scored, champion: Scored, metric: str, how: Resampling
) -> Comparison | None:
    sign = sign_of(metric)

    def difference(rows: Indices) -> Weighted:
        ours, theirs = (METRICS[scored.task](scored.take(rows)) for scored in (candidate, champion))

        def gain(weights: FloatArray) -> dict[str, FloatArray]:
            undefined = {metric: np.full(len(weights), np.nan)}
            better = (undefined | ours(weights))[metric] - (undefined | theirs(weights))[metric]
            return {metric: sign * better}

        return gain

    gain = bootstrap(difference, candidate, how).get(metric)
    if gain is None:
        return None
    error = gain.standard_error
    return Comparison(
        metric=metric,
        candidate=measure_scored(candidate)[metric],
        champion=measure_scored(champion)[metric],
        gain=gain,
        p_value=float(2 * special.ndtr(-abs(gain.value) / error)) if error else float(gain.value == 0),
        method="paired-bootstrap",
    )
