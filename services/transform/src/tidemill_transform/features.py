"""Which columns a model may read, and as what; every other column is left out with a reason."""

from collections.abc import Collection
from dataclasses import dataclass

from tidemill_contracts.profile import ColumnProfile, Feature, LeftOut, Profile

# A text column with more distinct values than this, and fewer than two rows per value, names its rows.
ID_LIKE_DISTINCT = 100
ID_LIKE_ROWS_PER_VALUE = 2


@dataclass(frozen=True)
class Choice:
    """What becomes of every column of a profile."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]


def choose(profile: Profile, label_columns: Collection[str], leave_out: Collection[str]) -> Choice:
    """Infer the features from a profile of the training rows."""
    features, left_out = [], []
    for column in profile.columns:
        reason = _decided(column.name, label_columns, leave_out) or _unusable(column)
        if reason is None:
            kind = "categorical" if column.type == "string" else "numeric"
            features.append(Feature(name=column.name, kind=kind))
        else:
            left_out.append(LeftOut(name=column.name, reason=reason))
    return Choice(tuple(features), tuple(left_out))


def _decided(name: str, label_columns: Collection[str], leave_out: Collection[str]) -> str | None:
    if name in label_columns:
        return "The label is computed from it."
    if name in leave_out:
        return "The pipeline leaves it out."
    return None


def _unusable(column: ColumnProfile) -> str | None:
    values = column.rows - column.nulls
    if column.type == "timestamp":
        return "It is a point in time, which does not come back."
    if values == 0 or (column.type != "string" and column.numeric is None):
        return "It has no values in the training rows."
    is_text = column.type == "string"
    most = max(ID_LIKE_DISTINCT, values / ID_LIKE_ROWS_PER_VALUE)
    if is_text and column.distinct_estimate > most:
        return f"It names its rows: about {column.distinct_estimate:.0f} distinct texts in {values} rows."
    return None
