"""Rules of keeping rows aside: what belongs together stays together, and a seed gives the same rows again."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_contracts.profile import Task
from tidemill_trainer.belonging import APART, Belonging
from tidemill_trainer.families import Examples
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan
from tidemill_trainer.search.folds import FOLDS, Fold, make_folds

ROWS = 1000
NO_PLAN = Plan(features=(), numbers=(), moments=(), categories=(), hashed=(), texts=())


def examples_of(
    numbers: NDArray[np.float32], labels: NDArray[Any] | None = None, task: Task = "binary"
) -> Examples:
    rows = len(numbers)
    encoded = Encoded(numbers[:, None], np.zeros((rows, 0), np.int32), np.zeros((rows, 0, 32), np.int32))
    truth = labels if labels is not None else np.arange(rows) % 4 == 0
    return Examples(NO_PLAN, encoded, truth, None, Objective(task=task, metric="roc_auc"))


def different(rows: int = ROWS) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(rows).astype(np.float32)


def folds_of(
    examples: Examples,
    belonging: Belonging = APART,
    seed: int = 7,
    *,
    folded: bool = False,
) -> tuple[Fold, ...]:
    return make_folds(examples, belonging, seed=seed, cross_validate=folded)


def test_every_row_is_either_learned_or_kept_aside() -> None:
    (fold,) = folds_of(examples_of(different()))

    assert sorted([*fold.learn, *fold.check]) == [*range(ROWS)]
    assert 0.1 <= len(fold.check) / ROWS <= 0.2


def test_with_folds_every_row_is_kept_aside_once() -> None:
    folds = folds_of(examples_of(different()), folded=True)

    assert len(folds) == FOLDS
    assert sorted(np.concatenate([fold.check for fold in folds])) == [*range(ROWS)]


def test_many_rows_are_divided_once() -> None:
    assert len(folds_of(examples_of(different(10_000)), folded=True)) == 1


def test_the_seed_decides() -> None:
    first, again, other = (folds_of(examples_of(different()), seed=seed)[0].check for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_classes_have_their_share_on_both_sides_and_a_rare_one_is_on_both() -> None:
    labels = np.arange(ROWS) % 4
    labels[[5, 9]] = 4

    (fold,) = folds_of(examples_of(different(), labels, "multiclass"))

    assert np.bincount(labels[fold.check], minlength=5)[:4] == pytest.approx([len(fold.check) / 4] * 4, abs=2)
    assert np.count_nonzero(labels[fold.check] == 4) == 1


@pytest.mark.parametrize("folded", [False, True])
def test_rows_that_say_the_same_are_on_the_same_side(folded: bool) -> None:  # noqa: FBT001
    numbers = np.repeat(different(ROWS // 4), 4)
    labels = np.repeat(np.arange(ROWS // 4) % 4 == 0, 4)

    for fold in folds_of(examples_of(numbers, labels), folded=folded):
        assert not set(numbers[fold.learn].tolist()) & set(numbers[fold.check].tolist())


def test_where_few_rows_differ_each_is_for_itself() -> None:
    (fold,) = folds_of(examples_of((np.arange(ROWS) % 2).astype(np.float32)))

    assert len(fold.check) == pytest.approx(ROWS / 5, abs=2)


@pytest.mark.parametrize("folded", [False, True])
def test_groups_are_not_divided(folded: bool) -> None:  # noqa: FBT001
    groups = np.arange(ROWS) % 60

    for fold in folds_of(examples_of(different()), Belonging(groups=groups), folded=folded):
        assert len(fold.check)
        assert not set(groups[fold.learn]) & set(groups[fold.check])


def test_rows_of_one_group_are_divided_all_the_same() -> None:
    (fold,) = folds_of(examples_of(different()), Belonging(groups=np.zeros(ROWS, np.int64)))

    assert len(fold.learn) > len(fold.check) > 0


def test_by_time_the_newest_rows_are_kept_aside_once_and_rows_of_one_time_are_not_divided() -> None:
    times = np.random.default_rng(1).permutation(np.repeat(np.arange(100.0), 10))
    times[3] = np.nan

    (fold,) = folds_of(examples_of(different()), Belonging(times=times), folded=True)

    assert np.nanmax(times[fold.learn]) < times[fold.check].min()
    assert len(fold.check) == pytest.approx(ROWS / 5, abs=10)


def test_rows_of_one_time_are_divided_as_if_there_were_none() -> None:
    (fold,) = folds_of(examples_of(different()), Belonging(times=np.ones(ROWS)))

    assert len(fold.check) == pytest.approx(ROWS / 5, abs=2)
