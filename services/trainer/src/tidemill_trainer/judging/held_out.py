"""Held-out rows, as models are judged on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import Feature
from tidemill_trainer.data import Rows
from tidemill_trainer.evaluation.scored import Indices, Scored
from tidemill_trainer.judging.aside import Aside
from tidemill_trainer.objective import Objective


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows, with what is to be answered, and what is known of them beside their features."""

    rows: Rows
    features: tuple[Feature, ...]
    objective: Objective
    aside: Aside

    def answered(self, answers: NDArray[Any]) -> Scored:
        """Hold answers, `[rows]` or `[rows, width]`, against the labels."""
        return self.objective.scored(self.rows.labels, answers, self.rows.weights, self.aside.units)

    def sample(self, rows: int, seed: int) -> Indices:
        """Draw the indices of so many rows, rising; all when there are no more."""
        return np.sort(np.random.default_rng(seed).permutation(len(self.rows))[:rows])
