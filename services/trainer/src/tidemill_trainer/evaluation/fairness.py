"""Whether yes-or-no answers treat declared groups alike: rates of each group, and the gaps between them."""

from collections.abc import Mapping, Sequence

import numpy as np

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.intervals import DEFAULT_RESAMPLING, Estimate, Resampling, bootstrap
from tidemill_trainer.evaluation.metrics import Weighted
from tidemill_trainer.evaluation.parts import divide_by_all
from tidemill_trainer.evaluation.ranking import weigh
from tidemill_trainer.evaluation.scored import Columns, FloatArray, Indices, Scored

MAX_GROUPS = 20
FOUR_FIFTHS = 0.8
GAPS = {
    "selection_rate": "demographic_parity_difference",
    "true_positive_rate": "equal_opportunity_difference",
    "false_positive_rate": "false_positive_rate_difference",
    "precision": "predictive_parity_difference",
    "calibration": "calibration_difference",
}
EQUALIZED_ODDS = ("equal_opportunity_difference", "false_positive_rate_difference")
# Fewest rows that a rate is a share of (true ones, false ones, selected ones).
MIN_ROWS_OF_RATE = 20


class GroupRates(ProfileModel):
    """One group. `rates` has base_rate, selection_rate, true_positive_rate, false_positive_rate, precision
    and calibration (mean probability less the share of true rows), but for those of too few rows.
    """

    condition: str
    rows: int
    rates: dict[str, Estimate]


class Fairness(ProfileModel):
    """The groups that some columns make.

    `gaps` are between the two groups that lie farthest apart, by the names in GAPS; further the
    demographic_parity_ratio, smallest by largest selection rate, and the equalized_odds_difference, the
    larger gap of true and false positive rates. It is empty with fewer than two groups. `four_fifths` says
    whether the ratio is at least 0.8. `unmeasured` has the condition and rows of groups that are too small.
    """

    columns: tuple[str, ...]
    threshold: float
    groups: tuple[GroupRates, ...]
    gaps: dict[str, Estimate]
    four_fifths: bool | None
    unmeasured: tuple[tuple[str, int], ...]


def measure_fairness(
    scored: Scored,
    columns: Columns,
    names: Sequence[str],
    *,
    threshold: float = 0.5,
    min_rows: int = 100,
    how: Resampling = DEFAULT_RESAMPLING,
) -> Fairness:
    """Compare the groups that the values of some columns make.

    Args:
        scored: Rows of a binary task, with finite answers.
        columns: Their columns, `[rows]` each; they need not be features.
        names: The columns that make groups.
        threshold: Rows are selected from this probability on.
        min_rows: Smaller groups are named, not measured.
        how: How intervals are found.
    """
    if scored.task != "binary":
        raise ValueError(f"expected a binary task, whose rows are selected or not, received {scored.task}")
    parts = divide_by_all(columns, names, MAX_GROUPS)
    members = [np.flatnonzero(parts.codes == code) for code in range(len(parts.conditions))]
    groups = [
        (condition, rows) for condition, rows in zip(parts.conditions, members, strict=True) if len(rows)
    ]
    measured = [(condition, rows) for condition, rows in groups if len(rows) >= min_rows]
    gaps = _estimate_gaps(scored, [rows for _, rows in measured], threshold, how)
    ratio = gaps.get("demographic_parity_ratio")
    return Fairness(
        columns=tuple(names),
        threshold=threshold,
        groups=tuple(
            GroupRates(
                condition=condition, rows=len(rows), rates=_estimate_rates(scored.take(rows), threshold, how)
            )
            for condition, rows in measured
        ),
        gaps=gaps,
        four_fifths=ratio.value >= FOUR_FIFTHS if ratio else None,
        unmeasured=tuple((condition, len(rows)) for condition, rows in groups if len(rows) < min_rows),
    )


def _estimate_rates(group: Scored, threshold: float, how: Resampling) -> dict[str, Estimate]:
    return bootstrap(lambda rows: _rates(group.take(rows), threshold), group, how)


def _estimate_gaps(
    scored: Scored, members: Sequence[Indices], threshold: float, how: Resampling
) -> dict[str, Estimate]:
    if len(members) < 2:
        return {}
    together = scored.take(np.concatenate(members))
    group = np.repeat(np.arange(len(members)), [len(rows) for rows in members])

    def gaps(rows: Indices) -> Weighted:
        places = [np.flatnonzero(group[rows] == code) for code in range(len(members))]
        groups = [(where, _rates(together.take(rows[where]), threshold)) for where in places]
        return lambda weights: _gaps([rates(weights[:, where]) for where, rates in groups])

    return bootstrap(gaps, together, how)


def _rates(group: Scored, threshold: float) -> Weighted:
    """Return the rates of one group that have enough rows, for any weights of these."""
    is_true, answers = group.truth, group.answers
    selected = answers >= threshold
    # What a rate is a share of, and in which rows it counts.
    shares = {
        "base_rate": (np.ones(len(group)), is_true),
        "selection_rate": (np.ones(len(group)), selected),
        "true_positive_rate": (is_true, selected & is_true),
        "false_positive_rate": (~is_true, selected & ~is_true),
        "precision": (selected, selected & is_true),
        "calibration": (np.ones(len(group)), answers - is_true),
    }
    enough = {name: share for name, share in shares.items() if share[0].sum() >= MIN_ROWS_OF_RATE}
    return lambda weights: {
        name: weigh(weights, part) / weigh(weights, whole) for name, (whole, part) in enough.items()
    }


def _gaps(groups: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """Return the gaps between groups in every rate that at least two of them have, `[draws]`."""
    gaps = {}
    for rate, name in GAPS.items():
        values = [rates[rate] for rates in groups if rate in rates]
        if len(values) > 1:
            gaps[name] = np.max(values, axis=0) - np.min(values, axis=0)
    odds = [gaps[name] for name in EQUALIZED_ODDS if name in gaps]
    if len(odds) == len(EQUALIZED_ODDS):
        gaps["equalized_odds_difference"] = np.max(odds, axis=0)
    selected = [rates["selection_rate"] for rates in groups]
    gaps["demographic_parity_ratio"] = np.min(selected, axis=0) / np.max(selected, axis=0)
    return gaps
