"""Rules of feature inference: what a model reads, and why it reads nothing else."""

import pytest

from tidemill_contracts.profile import CategoricalProfile, ColumnProfile, ColumnType, NumericProfile, Profile
from tidemill_transform.features import choose

NUMBERS = NumericProfile(minimum=0, maximum=9, mean=5, stddev=1, quantiles=(0, 9))
TEXTS = CategoricalProfile(vocabulary=(("UA", 1),), max_length_bytes=2)


def a_column(
    column_type: ColumnType, *, nulls: int = 0, distinct: float = 50, numeric: NumericProfile | None = NUMBERS
) -> ColumnProfile:
    is_text = column_type == "string"
    return ColumnProfile(
        name="x",
        type=column_type,
        rows=1000,
        nulls=nulls,
        distinct_estimate=distinct,
        numeric=None if is_text else numeric,
        categorical=TEXTS if is_text else None,
    )


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (a_column("int"), "numeric"),
        (a_column("int", distinct=1000), "numeric"),
        (a_column("float"), "numeric"),
        (a_column("bool", distinct=2), "numeric"),
        (a_column("string"), "categorical"),
        (a_column("string", distinct=450), "categorical"),
        (a_column("string", nulls=900, distinct=90), "categorical"),
        (a_column("string", nulls=400, distinct=1), "categorical"),
    ],
)
def test_a_usable_column_is_a_feature_of_its_kind(column: ColumnProfile, kind: str) -> None:
    choice = choose(Profile(rows=1000, positives=9, columns=(column,)), (), ())

    assert [feature.kind for feature in choice.features] == [kind]
    assert choice.left_out == ()


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (a_column("timestamp"), "point in time"),
        (a_column("float", nulls=1000, distinct=0, numeric=None), "no values"),
        (a_column("float", distinct=1, numeric=None), "no values"),
        (a_column("string", nulls=1000, distinct=0), "no values"),
        (a_column("string", distinct=980), "about 980 distinct texts in 1000 rows"),
    ],
)
def test_an_unusable_column_is_left_out_with_a_reason(column: ColumnProfile, reason: str) -> None:
    choice = choose(Profile(rows=1000, positives=9, columns=(column,)), (), ())

    assert choice.features == ()
    assert reason in choice.left_out[0].reason
