"""From which probability on to answer yes: what every choice costs, and the best one for a goal."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.ranking import Ranking
from tidemill_trainer.evaluation.scored import FloatArray, Indices, Scored

TABLE_ROWS = 100


class Threshold(ProfileModel):
    """What happens when the answer is yes from a probability on; None is a share of no rows.

    `share` is of the rows answered yes.
    """

    threshold: float
    share: float
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    f1: float | None


@dataclass(frozen=True)
class Costs:
    """What a wrong answer costs, in any unit."""

    false_positive: float
    false_negative: float


@dataclass(frozen=True)
class PrecisionAtLeast:
    """As many of the true rows as can be found while so many of the answers yes are right."""

    precision: float


Goal = Literal["f1", "youden"] | Costs | PrecisionAtLeast


def threshold_table(scored: Scored) -> tuple[Threshold, ...]:
    """Return what about 100 thresholds do, by falling threshold, from never yes to always yes.

    They are spread so that each answers yes to about equally many more rows than the one before. `scored` is
    of a binary task, with finite answers.
    """
    choices = _choices(scored)
    wanted = np.linspace(0, choices.yes[-1], TABLE_ROWS + 1)
    places = np.unique(np.searchsorted(choices.yes, wanted))
    return choices.describe(places)


def best_threshold(scored: Scored, goal: Goal) -> Threshold | None:
    """Return the best of all thresholds for a goal; None when none reaches it, or with one class alone.

    Among equally good ones it is the largest. It lies halfway between two probabilities that occur.
    """
    if scored.truth.all() or not scored.truth.any():
        return None
    choices = _choices(scored)
    match goal:
        case "f1":
            value = choices.f1
        case "youden":
            value = choices.recall - choices.false_positive_rate
        case Costs(false_positive, false_negative):
            value = -(false_positive * choices.false_alarms + false_negative * choices.misses)
        case PrecisionAtLeast(precision):
            value = np.where(choices.precision >= precision, choices.recall, np.nan)
    if np.isnan(value).all():
        return None
    return choices.describe(np.nanargmax(value, keepdims=True))[0]


@dataclass(frozen=True)
class _Choices:
    """Every threshold that makes a difference, falling, and the weight of right and wrong answers yes."""

    thresholds: FloatArray
    hits: FloatArray
    false_alarms: FloatArray

    @property
    def yes(self) -> FloatArray:
        return self.hits + self.false_alarms

    @property
    def misses(self) -> FloatArray:
        misses: FloatArray = self.hits[-1] - self.hits
        return misses

    @property
    def precision(self) -> FloatArray:
        return _ratio(self.hits, self.yes)

    @property
    def recall(self) -> FloatArray:
        return _ratio(self.hits, self.hits[-1])

    @property
    def false_positive_rate(self) -> FloatArray:
        return _ratio(self.false_alarms, self.false_alarms[-1])

    @property
    def f1(self) -> FloatArray:
        return _ratio(2 * self.hits, self.yes + self.hits[-1])

    def describe(self, places: Indices) -> tuple[Threshold, ...]:
        rates = {
            "precision": self.precision,
            "recall": self.recall,
            "false_positive_rate": self.false_positive_rate,
            "f1": self.f1,
        }
        table = np.stack([values[places] for values in rates.values()], axis=1)
        return tuple(
            Threshold(
                threshold=threshold,
                share=share,
                **{name: None if np.isnan(value) else value for name, value in zip(rates, row, strict=True)},
            )
            for threshold, share, row in zip(
                self.thresholds[places], self.yes[places] / self.yes[-1], table, strict=True
            )
        )


def _choices(scored: Scored) -> _Choices:
    ranking = Ranking(scored.answers, scored.truth)
    true, false = ranking.counts(scored.row_weights[None])
    scores = ranking.scores
    middles = (scores[:-1] + scores[1:]) / 2
    # Between neighbouring numbers there is none.
    between = np.where(middles > scores[1:], middles, scores[:-1])
    return _Choices(
        np.concatenate([[np.nextafter(scores[0], np.inf)], between, [min(0.0, scores[-1])]]),
        np.concatenate([[0.0], np.cumsum(true[0])]),
        np.concatenate([[0.0], np.cumsum(false[0])]),
    )


def _ratio(part: FloatArray, whole: FloatArray | np.float64) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: FloatArray = part / whole
    return ratio
