"""Rules of what trees read: all that a plan reads, in columns that a forest can take."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_contracts.profile import FeatureOptions
from tidemill_trainer.families.tree_columns import MAX_IDS, TOLD_WORDS, choose_columns
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import FIRST, MAX_WORDS, Category, Hashed, Number, Plan

NOTHING = Plan(features=(), numbers=(), moments=(), categories=(), hashed=(), texts=())
LABELS = np.arange(1000) % 4 == 0
TARGETS = LABELS.astype(np.float64)[:, None]


def rows_of(*, numbers: Any = None, ids: Any = None, words: Any = None) -> Encoded:
    return Encoded(
        numbers=np.zeros((1000, 0), np.float32)
        if numbers is None
        else np.asarray(numbers, np.float32)[:, None],
        ids=np.zeros((1000, 0), np.int32) if ids is None else np.asarray(ids, np.int32)[:, None],
        words=np.zeros((1000, 0, MAX_WORDS), np.int32)
        if words is None
        else np.asarray(words, np.int32)[:, None],
    )


def plan_of(**columns: Any) -> Plan:
    return Plan(**{**vars(NOTHING), **columns})


def as_read(plan: Plan, encoded: Encoded) -> dict[str, NDArray[Any]]:
    columns = choose_columns(plan, encoded, TARGETS)
    return {name.split(" ", 1)[1]: values for name, values in columns.arrays(encoded).items()}


@pytest.mark.parametrize(("gaps", "indicator"), [(True, True), (True, False), (False, True)])
def test_trees_are_told_what_is_missing_where_something_was_and_it_is_wanted(
    *,
    gaps: bool,
    indicator: bool,
) -> None:
    plan = plan_of(numbers=(Number("x", FeatureOptions(missing_indicator=indicator), None, gaps),))

    read = as_read(plan, rows_of(numbers=np.where(LABELS, np.nan, 7)))

    np.testing.assert_array_equal(read["x"], np.where(LABELS, np.nan, 7))
    assert ("x is missing" in read) == (gaps and indicator)
    assert "x is missing" not in read or read["x is missing"].tolist() == LABELS.tolist()


def test_trees_are_told_of_the_words_that_tell_most() -> None:
    words = np.zeros((1000, MAX_WORDS), np.int32)
    words[:, 0] = 1  # in every text
    words[LABELS, 1] = 2  # in those of true labels
    words[:4, 2] = 3  # in too few to know
    words[:, 3] = 100 + np.arange(1000) % 100  # in some of either

    read = as_read(plan_of(texts=("note",)), rows_of(words=words))

    assert read["note has word 2"].tolist() == LABELS.tolist()
    assert not {"note has word 0", "note has word 1", "note has word 3"} & set(read)
    assert len(read) == TOLD_WORDS


def test_an_id_that_training_has_not_seen_is_unknown() -> None:
    plan = plan_of(hashed=(Hashed("tail", 50),))
    columns = choose_columns(plan, rows_of(ids=np.full(1000, 20)), TARGETS)

    (read,) = columns.arrays(rows_of(ids=np.arange(1000) % 50)).values()

    assert set(read) == set(range(21))
    assert set(read[21:50]) == {0}


def test_many_hashes_are_folded_into_ids_that_are_neither_unknown_nor_missing() -> None:
    plan = plan_of(hashed=(Hashed("tail", 1 << 20),))
    ids = FIRST + np.arange(1000) * 997

    read = as_read(plan, rows_of(ids=ids))["tail"]

    assert (read.min(), read.max()) >= (FIRST, FIRST)
    assert read.max() < MAX_IDS
    assert len(set(read)) > 500


def test_a_column_without_categories_is_bounded_too() -> None:
    plan = plan_of(categories=(Category(("x",), (), 0),))
    columns = choose_columns(plan, rows_of(ids=np.zeros(1000)), TARGETS)

    (read,) = columns.arrays(rows_of(ids=np.ones(1000))).values()

    assert set(read) == {0}


def test_columns_of_one_title_have_names_of_their_own() -> None:
    number = Number("x", FeatureOptions(), None, gaps=False)
    columns = choose_columns(
        plan_of(numbers=(number,), categories=(Category(("x",), ("a",), 1),)),
        rows_of(numbers=np.zeros(1000), ids=np.zeros(1000)),
        TARGETS,
    )

    assert (columns.number_names, columns.id_names) == (("0 x",), ("1 x",))
