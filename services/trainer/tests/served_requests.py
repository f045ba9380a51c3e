"""Rows as applications send them: what was seen in training, what was not, and what is no value at all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from every_kind import CARRIERS, MOMENTS, SIZES, WORDS
from hypothesis import strategies as st

from tidemill_contracts.profile import Feature
from tidemill_trainer.data import Columns, dtype_of

_FLOAT32_MAX = float(np.finfo(np.float32).max)
# TensorFlow's threads take subnormal numbers for 0, those of others may not.
_NUMBERS = st.one_of(
    st.floats(width=32, allow_subnormal=False),
    st.integers(-5, 2500).map(float),
    st.sampled_from([0.0, -0.0, 5.0, 20.0, 1e9, _FLOAT32_MAX, -_FLOAT32_MAX]),
)
_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NOTES = st.lists(st.one_of(st.sampled_from(WORDS), _ANY_TEXT), max_size=40).map(" ".join)
_MOMENTS = st.one_of(
    st.sampled_from(MOMENTS),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment.isoformat(' ', 'minutes')}-05:30"),
)
_CATEGORIES = st.sampled_from([*CARRIERS, *SIZES, "ua", "N7", "N11", "UA\x1fgroß", "1:UA"])


def _values(feature: Feature) -> st.SearchStrategy[Any]:
    known = {"text": _NOTES, "timestamp": _MOMENTS, "categorical": _CATEGORIES}
    return _NUMBERS if feature.kind == "numeric" else st.one_of(known[feature.kind], _ANY_TEXT)


def served_requests(features: Sequence[Feature], max_rows: int = 8) -> st.SearchStrategy[Columns]:
    """Requests of some rows, with all features, in the form that serving gets."""
    row = st.tuples(*map(_values, features))
    return st.lists(row, min_size=1, max_size=max_rows).map(
        lambda rows: {
            feature.name: np.array(column, dtype_of(feature))
            for feature, column in zip(features, zip(*rows, strict=True), strict=True)
        }
    )
