"""tf.Examples: how each feature is written in them, and how a graph reads them.

A feature that is absent, or an empty list, is missing; a list of several values is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tidemill_contracts import tfserving
from tidemill_contracts.profile import ColumnType, Feature, Profile
from tidemill_trainer.data import Columns

ListKind = Literal["float_list", "int64_list", "bytes_list"]

_DTYPES: Mapping[ListKind, Any] = {
    "float_list": tf.float32,
    "int64_list": tf.int64,
    "bytes_list": tf.string,
}


def list_kinds(features: Sequence[Feature], profile: Profile) -> Mapping[str, ListKind]:
    """Return the list that holds each feature's value: that of its column's type, as TFX has it."""
    return {feature.name: _list_kind(feature, profile.column(feature.name).type) for feature in features}


def read_examples(serialized: Any, features: Sequence[Feature], profile: Profile) -> Mapping[str, Any]:
    """Return the raw columns of serialised tf.Examples, string `[rows]`, in a graph."""
    kinds = list_kinds(features, profile)
    lists = tf.io.parse_example(
        serialized, {name: tf.io.VarLenFeature(_DTYPES[kind]) for name, kind in kinds.items()}
    )
    return {
        feature.name: _column(
            lists[feature.name], tf.shape(serialized)[0], feature, profile.column(feature.name).type
        )
        for feature in features
    }


def to_examples(columns: Columns, features: Sequence[Feature], profile: Profile) -> list[Any]:
    """Return a tf.Example per row of raw columns."""
    kinds = list_kinds(features, profile)
    rows = len(next(iter(columns.values())))
    return [
        tfserving.Example(
            features={
                "feature": {
                    name: {kind: {"value": _values(columns[name][row], kind)}} for name, kind in kinds.items()
                }
            }
        )
        for row in range(rows)
    ]


def _list_kind(feature: Feature, column: ColumnType) -> ListKind:
    if column in ("int", "bool"):
        return "int64_list"
    return "float_list" if feature.kind == "numeric" else "bytes_list"


def _column(values: Any, rows: Any, feature: Feature, column: ColumnType) -> Any:
    found = values.values
    if feature.kind == "numeric":
        # By way of float64, as training has read them.
        found = tf.cast(tf.cast(found, tf.float64), tf.float32)
    elif column == "bool":
        found = tf.where(found == 0, "false", "true")
    elif column == "int":
        found = tf.strings.as_string(found)
    none = np.float32(np.nan) if feature.kind == "numeric" else ""
    table = tf.raw_ops.SparseToDense(
        sparse_indices=values.indices,
        output_shape=tf.stack([tf.cast(rows, tf.int64), 1]),
        sparse_values=found,
        default_value=none,
    )
    return table[:, 0]


def _values(value: Any, kind: ListKind) -> list[Any]:
    is_missing = value == "" if isinstance(value, str) else np.isnan(value)
    if is_missing:
        return []
    match kind:
        case "float_list":
            return [float(value)]
        case "int64_list":
            return [{"false": 0, "true": 1}[value] if value in ("false", "true") else int(value)]
        case "bytes_list":
            return [value.encode()]
