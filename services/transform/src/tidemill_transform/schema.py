"""The schema that data suggests: types, presence and small sets of texts, ready for a person to edit."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tidemill_contracts.columns import ColumnSpec, Privacy
from tidemill_contracts.profile import ColumnProfile, Profile

# Texts are a small set when they are so few, and each is in so many rows.
MAX_VALUES = 100
MIN_ROWS_PER_VALUE = 10


def infer_schema(
    *profiles: Profile, privacy: Mapping[str, Privacy] | None = None, all_labelled: bool = True
) -> dict[str, ColumnSpec]:
    """Return what holds of each column in all the profiles.

    Args:
        profiles: Profiles of the same columns.
        privacy: How columns are stored that are not kept in clear; nothing else is told of them.
        all_labelled: Whether the profiles tell of all rows: values may be missing in those without a label.
    """
    schema = {name: ColumnSpec(privacy=kind) for name, kind in (privacy or {}).items()}
    for columns in zip(*(profile.columns for profile in profiles), strict=True):
        if columns[0].name not in schema:
            schema[columns[0].name] = _column(columns, all_labelled=all_labelled)
    return schema


def to_yaml(schema: Mapping[str, ColumnSpec]) -> str:
    """Write a schema as the `columns` of a pipeline's spec."""
    columns = {name: _written(spec) for name, spec in schema.items()}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        {"columns": columns}, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )
    return text


def _column(columns: Sequence[ColumnProfile], *, all_labelled: bool) -> ColumnSpec:
    if all(column.rows == column.nulls for column in columns):
        return ColumnSpec()
    return ColumnSpec(
        type=columns[0].type,
        required=all_labelled and not any(column.nulls for column in columns),
        values=_values(columns),
    )


def _values(columns: Sequence[ColumnProfile]) -> tuple[str, ...] | None:
    """Return the texts that a column may hold; None when they are not few, or not all known."""
    times = sum(column.rows - column.nulls for column in columns)
    texts: set[str] = set()
    for column in columns:
        known = column.categorical.vocabulary if column.categorical else ()
        if column.type != "string" or column.distinct_estimate > min(MAX_VALUES, len(known)):
            return None
        texts.update(text for text, _ in known)
    return tuple(sorted(texts)) if len(texts) <= min(MAX_VALUES, times / MIN_ROWS_PER_VALUE) else None


def _written(spec: ColumnSpec) -> Any:
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
