"""One fit with given hyper-parameters, on all parts of the material."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.families import Learner, Params, Trained, Watch
from tidemill_trainer.search.averaged import Averaged
from tidemill_trainer.search.material import Material

VALIDATION_LOSS = "validation_loss"


class OutOfTime(Exception):
    """There was no time for a model of every fold."""


@dataclass(frozen=True)
class Fitted:
    """A trained model, and its answers to the material's kept rows, by models that have not learned them.

    `models` are those of the parts; `score` is the mean of the parts' scores. `is_cut_short` says that time
    was over before one of them was ready.
    """

    models: tuple[Trained, ...]
    answers: NDArray[np.float32]
    score: float
    is_cut_short: bool

    @property
    def trained(self) -> Trained:
        """The model of all parts."""
        return self.models[0] if len(self.models) == 1 else Averaged(self.models)

    @property
    def loss(self) -> float | None:
        """The mean of the least losses on rows kept aside, None when the family does not tell."""
        curves = [curve for model in self.models if (curve := model.curves.get(VALIDATION_LOSS))]
        return float(np.mean([min(curve) for curve in curves])) if curves else None


def fit(
    learner: Learner,
    material: Material,
    params: Params,
    *,
    seed: int,
    watch: Watch,
    before_answers: Callable[[], object],
) -> Fitted:
    """Train on every part, and ask each model for its kept rows, once `before_answers` has returned.

    Raises Pruned, NoScore, and whatever the family does; OutOfTime where the first parts took so long that
    there is none for all. Of several parts each reports its score, as a loss.
    """
    models: list[Trained] = []
    answers: list[NDArray[np.float32]] = []
    scores: list[float] = []
    is_cut_short, seconds = False, 0.0
    for place, part in enumerate(material.parts):
        left = len(material.parts) - place
        if place and time.monotonic() + left * seconds / place > watch.give_up_at:
            raise OutOfTime(f"expected time for {place + left} folds, after {place} there was too little")
        watched = Watch(_share(watch.stop_at, left)) if len(material.parts) > 1 else watch
        begin = time.monotonic()
        model = learner.fit(part.learn, part.check, params, seed + place, watched)
        seconds += time.monotonic() - begin
        is_cut_short |= time.monotonic() >= watched.stop_at
        models.append(model)
        before_answers()
        answers.append(model.answer(part.check))
        scores.append(material.score(answers[-1], part.kept))
        if left > 1:
            watch.report(place, material.sign * float(np.mean(scores)))
    return Fitted(tuple(models), np.concatenate(answers), float(np.mean(scores)), is_cut_short)


def _share(stop_at: float, left: int) -> float:
    now = time.monotonic()
    return now + (stop_at - now) / left
