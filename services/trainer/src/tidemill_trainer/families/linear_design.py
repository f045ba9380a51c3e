"""What a linear model weighs, as a sparse matrix: few entries of a row are not 0, however wide it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

from tidemill_trainer.families.number_scaling import NumberScaling
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import WORD_BUCKETS, Plan
from tidemill_trainer.preprocessing.scaling import CYCLES, Positions, find_positions


@dataclass(frozen=True)
class Design:
    """The columns of the matrix, block by block.

    Scores, missing numbers, ends of bins, places in cycles, ids, and words.
    """

    plan: Plan
    positions: Positions
    scaling: NumberScaling

    @property
    def cycle_sizes(self) -> list[int]:
        """How many places each cycle has, one more for a missing time."""
        return [CYCLES[part][1] + 1 for part in self.positions.cycles]

    @property
    def blocks(self) -> list[int]:
        """How many columns each block has."""
        numbers = len(self.positions.scaled)
        ids, words = sum(self.plan.id_sizes), len(self.plan.texts) * WORD_BUCKETS
        return [numbers, numbers, len(self.scaling.ends), sum(self.cycle_sizes), ids, words]

    def matrix(self, encoded: Encoded) -> Any:
        """Return float32 `[rows, columns]`."""
        numbers = self.scaling.filled(encoded.numbers[:, self.positions.scaled])
        blocks = [
            self.scaling.scores(numbers),
            np.isnan(numbers).astype(np.float32),
            self._between_ends(numbers),
            _one_hot(self._places(encoded.numbers[:, self.positions.cyclic]), self.cycle_sizes),
            _one_hot(encoded.ids, self.plan.id_sizes),
            *(_means(encoded.words[:, text]) for text in range(len(self.plan.texts))),
        ]
        return sparse.hstack([sparse.csr_array(block) for block in blocks], format="csr")

    def _between_ends(self, numbers: NDArray[np.float32]) -> Any:
        """Share every number out to the two ends of bins that it lies between."""
        rows, columns, shares = [], [], []
        for index, (first, ends) in enumerate(
            zip(self.scaling.first_ends, self.scaling.ends_by_column, strict=True)
        ):
            known = np.flatnonzero(~np.isnan(numbers[:, index]))
            values = numbers[known, index].clip(ends[0], ends[-1])
            left = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, max(len(ends) - 2, 0))
            right = np.minimum(left + 1, len(ends) - 1)
            width = np.where(right > left, ends[right] - ends[left], 1)
            share = (values - ends[left]) / width
            rows += [known, known]
            columns += [first + left, first + right]
            shares += [1 - share, share]
        if not rows:
            return sparse.csr_array((len(numbers), 0), dtype=np.float32)
        where = np.concatenate(rows), np.concatenate(columns)
        shape = len(numbers), len(self.scaling.ends)
        return sparse.csr_array((np.concatenate(shares).astype(np.float32), where), shape=shape)

    def _places(self, parts: NDArray[np.float32]) -> NDArray[np.int32]:
        first = np.array([CYCLES[part][0] for part in self.positions.cycles], np.float32)
        missing = np.array(self.cycle_sizes, np.float32) - 1
        return np.where(np.isnan(parts), missing, parts - first).astype(np.int32)


def make_design(plan: Plan) -> Design:
    """Decide what is weighed of the columns of a plan."""
    positions = find_positions(plan)
    return Design(plan, positions, NumberScaling(positions.numbers))


def _one_hot(ids: NDArray[np.int32], sizes: Sequence[int]) -> Any:
    rows, columns = ids.shape
    firsts = np.cumsum([0, *sizes])
    where = (ids + firsts[:-1].astype(np.int32)).ravel()
    ends = np.arange(rows + 1) * columns
    return sparse.csr_array((np.ones(len(where), np.float32), where, ends), shape=(rows, firsts[-1]))


def _means(words: NDArray[np.int32]) -> Any:
    row, place = np.nonzero(words)
    share = 1 / np.maximum((words > 0).sum(axis=1), 1)
    where = row, words[row, place] - 1
    return sparse.csr_array((share[row].astype(np.float32), where), shape=(len(words), WORD_BUCKETS))
