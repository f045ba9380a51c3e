"""Rules of what is decided before training: which categories are told apart, and what needs a graph."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from every_kind import CROSSES, every_kind
from learned_data import data_of

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature, FeatureOptions
from tidemill_trainer.preprocessing.plan import Category, make_plan


def categories(
    columns: dict[str, list[str | None]], *crosses: tuple[str, ...], **options: Any
) -> tuple[Category, ...]:
    features = tuple(
        Feature(name=name, kind="categorical", options=FeatureOptions(**options)) for name in columns
    )
    rows = len(next(iter(columns.values())))
    table = pa.table({**columns, LABEL_COLUMN: [index % 2 == 0 for index in range(rows)]})
    return make_plan(data_of(table, features, crosses=crosses)).categories


def test_the_most_frequent_categories_are_told_apart_those_of_equal_rows_in_their_order() -> None:
    texts: list[str | None] = [*["b"] * 7, *["a"] * 7, *["c"] * 9, *["d"] * 5, *["rare"] * 4]

    (all_of_them,) = categories({"x": texts})
    (two,) = categories({"x": texts}, vocabulary=2)

    assert all_of_them.vocabulary == ("c", "a", "b", "d")
    assert two.vocabulary == ("c", "a")


def test_missing_texts_are_no_category() -> None:
    (category,) = categories({"x": [*["a"] * 5, *[""] * 9, *[None] * 9]})

    assert category.vocabulary == ("a",)


@pytest.mark.parametrize(("rows", "vocabulary", "frequent"), [(29, (), 0), (30, ("x",), 0), (50, ("x",), 1)])
def test_in_many_rows_a_category_needs_30_and_is_frequent_with_a_share_of_them(
    rows: int, vocabulary: tuple[str, ...], frequent: int
) -> None:
    (category,) = categories({"x": [*["x"] * rows, *[None] * (10_000 - rows)]})

    assert (category.vocabulary, category.frequent) == (vocabulary, frequent)


def test_a_cross_tells_combinations_apart_also_those_with_a_gap() -> None:
    columns: dict[str, list[str | None]] = {
        "x": [*["a"] * 12, *["b"] * 5, *[None] * 9],
        "y": [*["1"] * 6, *[None] * 6, *["1"] * 5, *[None] * 9],
    }

    *_, cross = categories(columns, ("x", "y"))

    assert cross.columns == ("x", "y")
    assert cross.vocabulary == ("a\x1f", "a\x1f1", "b\x1f1")
    assert cross.missing == "\x1f"


def test_a_cross_of_other_than_categories_is_refused() -> None:
    data = replace(every_kind(100), crosses=(("carrier", "distance"),))

    with pytest.raises(ValueError, match=r"expected crosses of categorical features .*, received .*distance"):
        make_plan(data)


def test_a_plan_is_plain_until_a_feature_must_be_computed() -> None:
    plain, whole = every_kind(100, plain=True), every_kind(100)

    assert make_plan(plain).is_plain
    assert not make_plan(replace(plain, crosses=CROSSES)).is_plain
    derived = {
        feature.name
        for feature in whole.features
        if not make_plan(replace(whole, features=(feature,), crosses=())).is_plain
    }
    assert derived == {feature.name for feature in whole.features} - {
        feature.name for feature in plain.features
    }
