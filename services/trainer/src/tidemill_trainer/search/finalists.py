"""What a search ends with."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.belonging import Indices
from tidemill_trainer.calibrated import Calibrated, Correction, find_correction
from tidemill_trainer.data import TrainingData
from tidemill_trainer.families import Params, Trained


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """The best model of a family.

    Args:
        trained: The model.
        params: What to train with, to get it again; empty for an ensemble.
        answers: Its answers to the rows kept aside, by models that have not learned them.
        score: The deciding metric of those.
        seconds: How long its training took.
        left_out: Features that it does not read because they did not help.
    """

    trained: Trained
    params: Params
    answers: NDArray[np.float32]
    score: float
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def family(self) -> Family:
        """Its family."""
        return self.trained.family


class Corrector:
    """Corrects the probabilities of finalists by the rows kept aside, `kept` their indices, where that helps.

    A correction is found once for the same answers.
    """

    def __init__(self, data: TrainingData, kept: Indices) -> None:
        weights, groups = data.train.weights, data.belonging.groups
        self._find = partial(
            find_correction,
            data.objective,
            labels=data.train.labels[kept],
            weights=None if weights is None else weights[kept],
            groups=None if groups is None else groups[kept],
            seed=data.seed,
        )
        self._found: dict[Family, tuple[NDArray[np.float32], Correction | None]] = {}

    def correct(self, finalist: Finalist) -> Finalist:
        """Return the finalist with corrected answers, or as it was."""
        answers, correction = self._found.get(finalist.family, (None, None))
        if answers is not finalist.answers:
            correction = self._find(finalist.answers)
            self._found[finalist.family] = finalist.answers, correction
        if correction is None:
            return finalist
        trained = Calibrated(finalist.trained, correction)
        return replace(finalist, trained=trained, answers=correction.in_memory(finalist.answers))


@dataclass(frozen=True, kw_only=True)
class Finalists:
    """The best of every family that could learn, corrected, the ensemble last.

    `kept` are indices of the training rows that were kept aside: those that the answers are to. `failed` says
    why other families have none.
    """

    members: tuple[Finalist, ...]
    kept: Indices
    failed: dict[Family, str]
