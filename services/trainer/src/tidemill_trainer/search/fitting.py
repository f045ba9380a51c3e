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


@dataclass(frozen=True)
class Fitted:
    """A trained model, and its answers to the material's kept rows, by models that have not learned them.

    `models` are those of the parts; `score` is the mean of the parts' scores, `loss` that of their least
    losses on the rows kept aside, None when the family does not tell.
    """

    models: tuple[Trained, ...]
    answers: NDArray[np.float32]
    score: float
    loss: float | None

    @property
    def trained(self) -> Trained:
        """The model of all parts."""
        return self.models[0] if len(self.models) == 1 else Averaged(self.models)


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

    Raises Pruned, NoScore, and whatever the family does. Of several parts each reports its score, as a loss.
    """
    models: list[Trained] = []
    answers: list[NDArray[np.float32]] = []
    scores: list[float] = []
    for place, part in enumerate(material.parts):
        left = len(material.parts) - place
        watched = Watch(_share(watch.stop_at, left)) if len(material.parts) > 1 else watch
        model = learner.fit(part.learn, part.check, params, seed + place, watched)
        models.append(model)
        before_answers()
        answers.append(model.answer(part.check))
        scores.append(material.score(answers[-1], part.kept))
        if left > 1:
            watch.report(place, material.sign * float(np.mean(scores)))
    losses = [min(model.curves[VALIDATION_LOSS]) for model in models if model.curves.get(VALIDATION_LOSS)]
    return Fitted(
        models=tuple(models),
        answers=np.concatenate(answers),
        score=float(np.mean(scores)),
        loss=float(np.mean(losses)) if losses else None,
    )


def _share(stop_at: float, left: int) -> float:
    now = time.monotonic()
    return now + (stop_at - now) / left
