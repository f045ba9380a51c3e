"""What was answered beside what was true: a table for classes, bins for numbers."""

import numpy as np

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.scored import FloatArray, Scored

BINS = 20
MAX_CLASSES = 20
# Between these quantiles of the truth lie 80% of it.
MOST = (0.1, 0.9)


class Confusion(ProfileModel):
    """How many rows of each true class (rows of `counts`) were taken for each class (columns).

    Classes are the most frequent ones, given by index; `others` counts the rows that are not in the table.
    """

    classes: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    others: int


class AgreementBin(ProfileModel):
    """Rows of similar answers: their mean, that of the truth, and where 80% of the truth lies."""

    rows: int
    answered: float
    seen: float
    low: float
    high: float


def confusion(scored: Scored) -> Confusion:
    """Count the rows of a multiclass task, with finite answers, by true and most likely class."""
    truth, guess = scored.truth, scored.answers.argmax(axis=1)
    width = scored.predictions.shape[1]
    rows = np.bincount(truth[truth >= 0], minlength=width)
    shown = np.sort(np.argsort(-rows, kind="stable")[:MAX_CLASSES])
    places = np.full(width + 1, -1)
    places[shown] = np.arange(len(shown))
    true, guessed = places[truth], places[guess]
    inside = (true >= 0) & (guessed >= 0)
    cells = np.bincount(true[inside] * len(shown) + guessed[inside], minlength=len(shown) ** 2)
    table = cells.reshape(len(shown), len(shown)).tolist()
    return Confusion(
        classes=tuple(shown.tolist()),
        counts=tuple(tuple(line) for line in table),
        others=int((~inside).sum()),
    )


def agreement(scored: Scored) -> tuple[AgreementBin, ...]:
    """Hold numbers, which are finite, against the truth, in bins of equally many rows by rising answer."""
    order = np.argsort(scored.point, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return tuple(_bin(scored.point[rows], scored.truth[rows]) for rows in parts)


def _bin(answers: FloatArray, truth: FloatArray) -> AgreementBin:
    low, high = np.quantile(truth, MOST)
    return AgreementBin(
        rows=len(truth), answered=float(answers.mean()), seen=float(truth.mean()), low=low, high=high
    )
