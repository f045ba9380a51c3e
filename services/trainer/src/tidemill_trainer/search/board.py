"""What is known so far: every trial, and the best of each family."""

import time
from dataclasses import dataclass, field

from tidemill_contracts.training_spec import Family
from tidemill_trainer.search.attempts import Outcome
from tidemill_trainer.trainings import Trial

# What a family will take is what it took lately, at most; noise on top of that is in the reserve.
RECENT_TRIALS = 3


@dataclass
class Board:
    """Trials of this job and of those before it. `sign` times a score is less where it is better."""

    sign: int
    trials: list[Trial] = field(default_factory=list)
    best: dict[Family, Outcome] = field(default_factory=dict)
    failed: dict[Family, str] = field(default_factory=dict)

    def add(self, family: Family, outcome: Outcome) -> None:
        """Take in how a trial ended."""
        self.trials.append(outcome.trial)
        if outcome.trial.score is None:
            if outcome.trial.origin == "default":
                self.failed[family] = outcome.trial.message
        elif family not in self.best or self.value(outcome) < self.value(self.best[family]):
            self.best[family] = outcome

    def recall(self, trial: Trial) -> None:
        """Take in a trial of an earlier job; what failed once is tried again."""
        if trial.state == "failed" and not self._made(trial.family, trial.origin):
            self.trials.append(trial)
        else:
            self.add(trial.family, Outcome(trial, None))

    def value(self, outcome: Outcome) -> float:
        """Return a finished trial's score, turned so that less is better."""
        if outcome.trial.score is None:
            raise ValueError(f"expected a finished trial, received one that is {outcome.trial.state}")
        return self.sign * outcome.trial.score

    def ranked(self) -> list[Family]:
        """Return the families that have learned, the best one first."""
        return sorted(self.best, key=lambda family: self.value(self.best[family]))

    def lost(self) -> list[Family]:
        """Return the families whose best model ended with an earlier job, the best one first."""
        return [family for family in self.ranked() if self.best[family].fitted is None]

    def searched(self, family: Family) -> list[Trial]:
        """Return the trials of a family that the search chose."""
        return [trial for trial in self.trials if trial.origin == "search" and trial.family == family]

    def expected_seconds(self, family: Family) -> float:
        """Return what a trial of a family takes; 0 while nothing is known."""
        took = [
            trial.seconds for trial in self.trials if trial.family == family and trial.state == "finished"
        ]
        return max(took[-RECENT_TRIALS:], default=0.0)

    def has_made(self, family: Family, origin: str) -> bool:
        """Say whether there was such a trial, failures apart, or it failed twice."""
        made = self._made(family, origin)
        return len(made) > 1 or any(trial.state != "failed" for trial in made)

    def _made(self, family: Family, origin: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.family == family and trial.origin == origin]

    @property
    def next_number(self) -> int:
        """A number that no trial has."""
        return 1 + max((trial.number for trial in self.trials), default=-1)


def time_left(stop_at: float) -> float | None:
    """Return the seconds up to a moment of the monotonic clock, None when that never comes."""
    return None if stop_at == float("inf") else max(0.0, round(stop_at - time.monotonic(), 3))
