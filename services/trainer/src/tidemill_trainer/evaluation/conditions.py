"""What can be said of a column's value, as one condition: `carrier = OO`, `hour >= 17`, `hour is missing`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.evaluation.parts import divide, is_number
from tidemill_trainer.evaluation.scored import FloatArray, Indices

TEXT_PARTS = 15
NUMBER_PARTS = 8


@dataclass(frozen=True)
class Conditions:
    """The conditions on one column, and the rows they hold for.

    `codes` is the part that each row is in, `[rows]`; `members` `[conditions, parts]` is 1 where a part
    fulfils a condition.
    """

    column: str
    texts: tuple[str, ...]
    codes: Indices
    members: FloatArray

    def rows(self, place: int) -> NDArray[np.bool_]:
        """Return where a condition holds, `[rows]`."""
        where: NDArray[np.bool_] = self.members[place].astype(np.bool_)[self.codes]
        return where


def conditions_on(column: str, values: NDArray[Any]) -> Conditions | None:
    """Return all conditions; None when every row fulfils the same.

    A number can be in a range, or beyond a bound; a text can be one of the most frequent values, or be rare.
    """
    parts = divide(column, values, NUMBER_PARTS if is_number(values) else TEXT_PARTS)
    width, ranges = len(parts.conditions), len(parts.bounds) + 1
    if width == 1:
        return None
    texts, members, part = [*parts.conditions], [*np.eye(width)], np.arange(width)
    for place, bound in enumerate(parts.bounds, start=1):
        # Below the first bound, and from the last one on, there is a single part: a condition already.
        if place > 1:
            texts.append(f"{column} < {bound}")
            members.append(part < place)
        if place < ranges - 1:
            texts.append(f"{column} >= {bound}")
            members.append((part >= place) & (part < ranges))
    return Conditions(column, tuple(texts), parts.codes, np.array(members, np.float64))
