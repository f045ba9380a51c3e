"""Trained models that read encoded rows: of them, only the part behind preprocessing differs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.explain import Sum, Summing
from tidemill_trainer.families import Curves, Examples, Graph, Params
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan


class Core(Protocol):
    """The part of a graph behind preprocessing. `owners` have its variables, tables and assets."""

    @property
    def owners(self) -> Sequence[Any]: ...

    def __call__(self, encoded: Encoded, /) -> Any:
        """Take encoded tensors; return answers, float32, `[rows]` or `[rows, width]`."""


@dataclass(frozen=True)
class OnEncoded(ABC):
    """A trained model; see `Trained`."""

    family: Family
    plan: Plan
    objective: Objective
    params: Params
    curves: Curves

    @abstractmethod
    def answer_encoded(self, encoded: Encoded) -> NDArray[np.float32]:
        """Answer encoded rows."""

    @abstractmethod
    def core(self, folder: Path) -> Core:
        """Return what is behind preprocessing; files it leaves in `folder` must stay until it is exported."""

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer rows that are encoded already."""
        return self.answer_encoded(examples.encoded)

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them; loads TensorFlow."""
        return self.answer_encoded(self._preprocessor.encode(columns))

    def graph(self, folder: Path) -> Graph:
        """Return the whole graph."""
        return Whole(self.plan, self._preprocessor, self.core(folder))

    @cached_property
    def _preprocessor(self) -> Any:
        from tidemill_trainer.preprocessing.graph import Preprocessor  # noqa: PLC0415

        return Preprocessor(self.plan)


@dataclass(frozen=True)
class Whole:
    """Preprocessing by a plan, and what is behind it."""

    plan: Plan
    preprocessor: Any
    core: Core

    @property
    def owners(self) -> Sequence[Any]:
        """Those of both."""
        return (self.preprocessor, *self.core.owners)

    @property
    def sum(self) -> Sum | None:
        """The sum that it begins with, if it does: networks are explained by it."""
        return Sum(self.preprocessor, self.core) if isinstance(self.core, Summing) else None

    def __call__(self, raw: Mapping[str, Any]) -> Any:
        """Return answers."""
        return self.core(self.preprocessor(raw))
