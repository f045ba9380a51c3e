"""Model families. Each is a function from examples to a trained model.

A family is imported when it is asked for: their libraries take seconds to load.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.pipeline import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan


@dataclass(frozen=True)
class Examples:
    """What a family learns from: encoded rows, and the label of each (bool, `[rows]`)."""

    plan: Plan
    encoded: Encoded
    labels: NDArray[np.bool_]
    seed: int


class Trained(Protocol):
    """A trained model of any family. `curves` maps a series to its value per step of training."""

    @property
    def params(self) -> Mapping[str, int | float | str]: ...

    @property
    def curves(self) -> Mapping[str, tuple[float, ...]]: ...

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return P(true) of each row in memory, `[rows]`: what the exported model must answer as well."""

    def export(self, folder: Path) -> None:
        """Write a SavedModel that takes raw features."""


Fit = Callable[[Examples], Trained]

# Families that train without TensorFlow do so while it loads.
WITHOUT_TENSORFLOW: frozenset[Family] = frozenset({"boosted-trees"})


def load_family(family: Family) -> Fit:
    """Return the function that trains a family."""
    match family:
        case "deep":
            from tidemill_trainer.families import deep  # noqa: PLC0415

            return deep.fit
        case "boosted-trees":
            from tidemill_trainer.families import boosted_trees  # noqa: PLC0415

            return boosted_trees.fit
