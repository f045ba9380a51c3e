"""Two sets of rows held against each other: new data against earlier data, or the sides of the split."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tidemill_contracts.anomaly import Anomaly, AnomalyType, Comparison
from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.distances import (
    MIN_VALUES,
    Distance,
    Metric,
    between_columns,
    between_labels,
    missing,
)
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import Distances, PipelineSpec
from tidemill_contracts.profile import ColumnProfile, Profile
from tidemill_transform.anomalies import TOLD_CHARACTERS, found
from tidemill_transform.identifiers import names_rows

HIGH: dict[Metric, AnomalyType] = {
    "l_infinity": "COMPARATOR_L_INFTY_HIGH",
    "jensen_shannon": "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
}
# A column that new data lacks is not present at all; the evaluation rows are but some of them.
MISSING: dict[Comparison, AnomalyType] = {
    "drift": "FEATURE_TYPE_NOT_PRESENT",
    "skew": "COMPARATOR_TREATMENT_DATA_MISSING",
}
CONTROL_MISSING: AnomalyType = "COMPARATOR_CONTROL_DATA_MISSING"
# With fewer values to expect, there may be none by chance.
MIN_EXPECTED = 10
SIDES: dict[Comparison, tuple[str, str]] = {
    "drift": ("the newest span", "earlier data"),
    "skew": ("the evaluation rows", "the training rows"),
}


@dataclass(frozen=True)
class Comparator:
    """Compares profiles, within limits. Values of `restricted` columns are neither compared nor told."""

    against: Comparison
    limits: Distances
    spec: PipelineSpec
    restricted: Collection[str]

    def __call__(self, treatment: Profile, control: Profile) -> Iterator[Anomaly]:
        """Yield in what the first differs from the second by more than the limits; nothing of few rows."""
        if min(treatment.rows, control.rows) < MIN_VALUES:
            return
        earlier = {column.name: column for column in control.columns}
        for column in treatment.columns:
            if column.name in earlier and self._is_compared(column.name):
                yield from self._column(column, earlier[column.name])
        distance = between_labels(treatment.label, control.label)
        if distance is not None:
            yield from self._high(LABEL_COLUMN, distance, self._limit(LABEL_COLUMN, distance.metric))

    def _column(self, new: ColumnProfile, old: ColumnProfile) -> Iterator[Anomaly]:
        if new.rows == new.nulls or old.rows == old.nulls:
            yield from self._without_values(new, old)
            return
        apart = missing(new, old)
        limit = self._limit(new.name, "l_infinity")
        if limit is not None and apart > limit:
            side, other = SIDES[self.against]
            message = (
                f"expected the missing share of {new.name} to differ by at most {limit:g}, received "
                f"{new.nulls / new.rows:.2%} in {side} and {old.nulls / old.rows:.2%} in {other}"
            )
            yield found(HIGH["l_infinity"], new.name, message, self.against, apart, limit)
        distance = between_columns(new, old) if self._has_comparable_values(new, old) else None
        if distance is not None:
            yield from self._high(new.name, distance, self._limit(new.name, distance.metric))

    def _without_values(self, new: ColumnProfile, old: ColumnProfile) -> Iterator[Anomaly]:
        """Yield that a column has values on one side only, unless that may be chance."""
        sides = ((new, old, MISSING[self.against]), (old, new, CONTROL_MISSING))
        for side, (one, other, kind) in zip(SIDES[self.against], sides, strict=True):
            if one.rows == one.nulls and (1 - other.nulls / other.rows) * one.rows >= MIN_EXPECTED:
                message = f"expected values of {new.name} in {side}, received none"
                yield found(kind, new.name, message, self.against)

    def _high(self, column: str, distance: Distance, limit: float | None) -> Iterator[Anomaly]:
        if limit is None or distance.value <= limit:
            return
        side, other = SIDES[self.against]
        most = ""
        if distance.most is not None and column not in self.restricted:
            most = f", most of all in {distance.most[:TOLD_CHARACTERS]!r}"
        message = (
            f"expected {column} in {side} within {limit:g} of {other}, received a distance of "
            f"{distance.value:.3f}{most}"
        )
        yield found(HIGH[distance.metric], column, message, self.against, distance.value, limit)

    def _limit(self, column: str, metric: Metric) -> float | None:
        own = self.spec.columns.get(column, ColumnSpec()).max_drift
        if self.against == "drift" and own is not None:
            return own
        return self.limits.l_infinity if metric == "l_infinity" else self.limits.jensen_shannon

    def _is_compared(self, name: str) -> bool:
        """Say whether a column matters: one that is left out does when it has a limit of its own."""
        known = self.spec.columns.get(name, ColumnSpec())
        return name not in self.spec.leave_out or known.max_drift is not None

    def _has_comparable_values(self, new: ColumnProfile, old: ColumnProfile) -> bool:
        """Time goes on, and ids with it."""
        is_id = names_rows(new) is not None or names_rows(old) is not None
        return new.name not in self.restricted and new.type != "timestamp" and not is_id
