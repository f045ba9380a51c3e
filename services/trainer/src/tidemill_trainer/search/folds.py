"""Which rows of training are kept aside for checking, by the rule that holds rows out for evaluation.

Rows of one group stay together, and with a split by time the newest rows are kept aside. Otherwise rows that
say the same stay together: a row that was learned tells nothing about what was not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.belonging import Belonging, Indices
from tidemill_trainer.families import Examples

FOLDS = 5
# Below this, one part kept aside is too small to tell good from better: every row is kept aside in its turn.
CROSS_VALIDATED_ROWS = 10_000
# One row in so many is kept aside, up to the number of rows. Beyond the last, one in LEAST.
PARTS = ((50_000, 5), (200_000, 7))
LEAST_PARTS = 10
# Rows that say the same make parts unequal where there are few different ones; then every row is for itself.
UNEQUAL = 1.5


@dataclass(frozen=True)
class Fold:
    """Indices of rows to learn from, and of those to check on."""

    learn: Indices
    check: Indices


def make_folds(
    examples: Examples, belonging: Belonging, *, seed: int, cross_validate: bool
) -> tuple[Fold, ...]:
    """Divide rows, the same for the same seed: into several folds where they are few, if that is wanted.

    Rows in order of time make one fold: models of later rows must not be checked on earlier ones.
    """
    rows = len(examples)
    if belonging.times is not None and (late := _newest(belonging.times, _parts(rows))).any():
        return (Fold(np.flatnonzero(~late), np.flatnonzero(late)),)
    folded = cross_validate and rows < CROSS_VALIDATED_ROWS
    parts = FOLDS if folded else _parts(rows)
    part = _deal(examples, belonging.groups, parts, seed)
    return _folds(part, range(parts if folded else 1))


def later_folds(examples: Examples, belonging: Belonging, *, seed: int) -> tuple[Fold, ...]:
    """Return the folds beside the one that rows in no order of time were divided into, FOLDS with that."""
    return _folds(_deal(examples, belonging.groups, _parts(len(examples)), seed), range(1, FOLDS))


def _folds(part: Indices, numbers: Iterable[int]) -> tuple[Fold, ...]:
    kept = [number for number in numbers if (part == number).any()]
    return tuple(Fold(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in kept)


def _parts(rows: int) -> int:
    return next((parts for most, parts in PARTS if rows < most), LEAST_PARTS)


def _newest(times: NDArray[np.float64], parts: int) -> NDArray[np.bool_]:
    """Say which rows are the newest, none when all are equally new; rows of one time are on one side."""
    known = np.where(np.isnan(times), -np.inf, times)
    cutoff = np.sort(known)[-max(1, len(known) // parts)]
    is_late: NDArray[np.bool_] = known >= cutoff
    return known > cutoff if is_late.all() else is_late


def _deal(examples: Examples, groups: Indices | None, parts: int, seed: int) -> Indices:
    """Return the part of every row, `[rows]`, from 0; the first has some of every class that has two rows."""
    classes = np.zeros(len(examples), np.int64)
    if groups is not None:
        part = _deal_units(groups, classes, parts, seed)
        if (part != part[0]).any():
            return part
    if examples.objective.task != "regression":
        classes = examples.labels.astype(np.int64)
    part = _deal_units(_same(examples), classes, parts, seed)
    sizes = np.bincount(part, minlength=parts)
    is_even = sizes.min() > 0 and sizes.max() <= UNEQUAL * len(examples) / parts
    return part if is_even else _deal_units(np.arange(len(examples)), classes, parts, seed)


def _deal_units(units: NDArray[np.generic], strata: Indices, parts: int, seed: int) -> Indices:
    """Deal units at random, stratum by stratum: of two in a stratum, the second is in the first part."""
    _, first, of_row = np.unique(units, return_index=True, return_inverse=True)
    random = np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort((random, strata[first]))
    _, starts, sizes = np.unique(strata[first][order], return_index=True, return_counts=True)
    ranks = np.arange(len(order)) - np.repeat(starts, sizes)
    part = np.empty(len(order), np.int64)
    part[order] = (ranks + parts - 1) % parts
    return part[of_row]


def _same(examples: Examples) -> NDArray[np.uint64]:
    """Number rows by what they say, label included, so that equal rows have equal numbers."""
    encoded, rows = examples.encoded, len(examples)
    columns = [
        *encoded.numbers.view(np.uint32).T,
        *encoded.ids.T,
        *encoded.words.reshape(rows, -1).T,
        np.ascontiguousarray(examples.labels, np.float32).view(np.uint32),
    ]
    numbers = np.zeros(rows, np.uint64)
    for column in columns:
        # The finaliser of MurmurHash3, cut short.
        numbers = (numbers ^ column.astype(np.uint64)) * np.uint64(0xFF51AFD7ED558CCD)
        numbers ^= numbers >> np.uint64(33)
    return numbers
