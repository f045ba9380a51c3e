"""Which columns a model may read, and as what; every other column is left out with a reason."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.events import Reason
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import (
    ColumnProfile,
    ColumnType,
    Feature,
    FeatureKind,
    FeatureOptions,
    LeftOut,
    Profile,
)
from tidemill_transform.identifiers import MANY_DISTINCT, ROWS_PER_VALUE, names_rows
from tidemill_transform.moments import varying_parts

RESTRICTED = "It is restricted: it is not stored in clear."
# A column of many texts, with so many words on average, is read word by word.
WORDS_OF_TEXT = 3
READABLE_AS: Mapping[FeatureKind, tuple[ColumnType, ...]] = {
    "numeric": ("int", "float", "bool"),
    "categorical": ("string", "int", "bool"),
    "text": ("string",),
    "timestamp": ("timestamp",),
}


@dataclass(frozen=True)
class Choice:
    """What becomes of every column of a profile; `reasons` say what of the spec cannot be."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    reasons: tuple[Reason, ...] = ()


def choose(
    profile: Profile, spec: PipelineSpec, label_columns: Collection[str], restricted: Collection[str]
) -> Choice:
    """Infer the features from a profile of the training rows; what the spec says of a column goes first.

    Args:
        label_columns: Columns that the label or the weight is computed from.
        restricted: Columns that are not stored in clear, or not at all.
    """
    features, left_out, reasons = [], [], []
    for column in profile.columns:
        wanted = spec.columns.get(column.name, ColumnSpec()).feature
        reason = _decided(column.name, label_columns, spec.leave_out, restricted) or _unusable(column, wanted)
        if reason is not None:
            left_out.append(LeftOut(name=column.name, reason=reason))
        elif wanted.kind is not None and column.type not in READABLE_AS[wanted.kind]:
            reasons.append(_misfit(column, wanted.kind))
        else:
            features.append(_feature(column, wanted))
    stored = {column.name for column in profile.columns}
    left_out += [LeftOut(name=name, reason=RESTRICTED) for name in restricted if name not in stored]
    reasons += _misfit_crosses(spec.crosses, features, left_out)
    return Choice(tuple(features), tuple(left_out), tuple(reasons))


def _decided(
    name: str, label_columns: Collection[str], leave_out: Collection[str], restricted: Collection[str]
) -> str | None:
    if name in label_columns:
        return "The label or the weight is computed from it."
    if name in leave_out:
        return "The pipeline leaves it out."
    return RESTRICTED if name in restricted else None


def _unusable(column: ColumnProfile, wanted: FeatureOptions) -> str | None:
    if column.numeric is None and column.categorical is None:
        return "It has no values in the training rows."
    if wanted.kind is not None or _is_text(column, wanted):
        return None
    return names_rows(column)


def _feature(column: ColumnProfile, wanted: FeatureOptions) -> Feature:
    kind = wanted.kind or _kind(column, wanted)
    options = wanted.model_copy(update={"kind": kind})
    if kind == "timestamp" and column.numeric is not None and "parts" not in wanted.model_fields_set:
        options = options.model_copy(update={"parts": varying_parts(column.numeric, wanted.parts)})
    return Feature(name=column.name, kind=kind, options=options)


def _kind(column: ColumnProfile, wanted: FeatureOptions) -> FeatureKind:
    if column.type == "timestamp":
        return "timestamp"
    if column.type != "string":
        return "numeric"
    return "text" if _is_text(column, wanted) else "categorical"


def _is_text(column: ColumnProfile, wanted: FeatureOptions) -> bool:
    """Say whether texts are of several words each, and more than a vocabulary would tell apart."""
    if column.type != "string" or column.categorical is None:
        return False
    few = max(MANY_DISTINCT, min(wanted.vocabulary, (column.rows - column.nulls) / ROWS_PER_VALUE))
    return column.categorical.mean_words >= WORDS_OF_TEXT and column.distinct_estimate > few


def _misfit(column: ColumnProfile, wanted: FeatureKind) -> Reason:
    kinds = [kind for kind, types in READABLE_AS.items() if column.type in types]
    message = (
        f"expected {' or '.join(kinds)} as kind of {column.name}, which is {column.type}, received {wanted}"
    )
    return Reason(code="kind-does-not-fit", message=message)


def _misfit_crosses(
    crosses: Iterable[tuple[str, ...]], features: Iterable[Feature], left_out: Iterable[LeftOut]
) -> Iterator[Reason]:
    """Say which crosses are not of several categorical features; an unknown column is told elsewhere."""
    found = {column.name: f"left out: {column.reason}" for column in left_out}
    found |= {feature.name: feature.kind for feature in features}
    for cross in crosses:
        others = {name: found[name] for name in cross if found.get(name, "categorical") != "categorical"}
        if others or len(set(cross)) < max(2, len(cross)):
            problem = ", ".join(f"{name} ({kind})" for name, kind in others.items()) or f"{list(cross)}"
            message = f"expected crosses of two or more different categorical features, received {problem}"
            yield Reason(code="cross-does-not-fit", message=message)
