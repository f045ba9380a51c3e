"""The models of all folds as one, which answers with their mean.

Together they have learned every row, each was stopped by rows that it has not learned, and their answers to
those say how good they are. One more model of all rows would have nothing to be stopped by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.families import Curves, Examples, Graph, Params, Trained
from tidemill_trainer.families.mixing import mix_answers, mix_graphs
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan


@dataclass(frozen=True)
class Averaged:
    """Models of one family and plan; see `Trained`. Parameters and curves are those of the first."""

    members: tuple[Trained, ...]

    @property
    def family(self) -> Family:
        """That of all members."""
        return self.members[0].family

    @property
    def params(self) -> Params:
        """Those of the first member, and how many there are."""
        return {**self.members[0].params, "folds": len(self.members)}

    @property
    def curves(self) -> Curves:
        """Those of the first member."""
        return self.members[0].curves

    @property
    def plan(self) -> Plan:
        """That of all members."""
        return self.members[0].plan

    @property
    def objective(self) -> Objective:
        """That of all members."""
        return self.members[0].objective

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        return mix_answers([member.predict(columns) for member in self.members], self._weights)

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer encoded rows."""
        return mix_answers([member.answer(examples) for member in self.members], self._weights)

    def graph(self, folder: Path) -> Graph:
        """Return all members in TensorFlow."""
        return mix_graphs(self.members, self._weights, folder)

    @property
    def _weights(self) -> Sequence[float]:
        return [1 / len(self.members)] * len(self.members)
