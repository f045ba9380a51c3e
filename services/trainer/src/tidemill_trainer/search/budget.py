"""The budget of a whole job: what of it the search may use, before all that comes after it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tidemill_contracts.training_spec import Training
from tidemill_trainer.trainings import Trial

# What comes after the search, on a machine so many times as slow as two cores of their own: to export a model
# and load it back, and to ask it for so many held-out rows.
SLOWNESS = 3.0
EXAMINATION_SECONDS, EXAMINATION_SECONDS_PER_ROW = 5.0, 1.5e-5
# To judge the best model, in a fresh model server too, to draw its card and to commit it. For looking inside
# the model, a share of the budget is spent.
VERDICT_SECONDS, VERDICT_SECONDS_PER_ROW = 20.0, 6e-5
INSIDE_SHARE, MAX_INSIDE_SECONDS = 0.04, 120.0
# On such a machine a job takes so long to begin, which is the same kind of work.
START_SECONDS = 15.0
# The verdict takes as long as so many examinations of a simple model.
VERDICT_EXAMINATIONS = VERDICT_SECONDS / EXAMINATION_SECONDS
# Of a small budget, the search has this much all the same.
LEAST_SHARE = 0.4


@dataclass(frozen=True)
class Budget:
    """When a job's search and the job have to end, of `time.monotonic()`: infinite without a budget.

    `looking_seconds` are what the verdict takes for rows, and for looking inside the model.
    """

    search_until: float
    ends_at: float
    looking_seconds: float

    @property
    def give_up_at(self) -> float:
        """When to give up what has not ended with the search, while enough is left for all that follows."""
        kept_back = self.ends_at - self.search_until if self.ends_at < float("inf") else 0.0
        return self.search_until + kept_back / SLOWNESS

    def has_time(self, took: Sequence[float]) -> bool:
        """Say whether there is time to examine one more model; the others took so many seconds each."""
        verdict = VERDICT_EXAMINATIONS * min(took) + self.looking_seconds
        return time.monotonic() + max(took) + verdict < self.ends_at


def plan_budget(
    training: Training,
    *,
    begun: float,
    start_seconds: float = 0.0,
    earlier: Sequence[Trial] = (),
    rows_held_out: int,
) -> Budget:
    """Divide a budget by what the same process measured.

    Args:
        training: The spec, with the budget and the families.
        begun: When this job began, of `time.monotonic()`.
        start_seconds: What it took to be ready for work: where that is long, all that follows will be.
        earlier: Trials of jobs before it that were cut short: their time counts.
        rows_held_out: How many rows every finalist is asked for.
    """
    if training.budget_seconds is None:
        return Budget(float("inf"), float("inf"), 0.0)
    slowness = max(1.0, start_seconds / START_SECONDS)
    finalists = len(set(training.families) | {"linear"})
    examination = EXAMINATION_SECONDS + EXAMINATION_SECONDS_PER_ROW * rows_held_out
    looking = VERDICT_SECONDS_PER_ROW * rows_held_out
    inside = min(MAX_INSIDE_SECONDS, INSIDE_SHARE * training.budget_seconds)
    reserve = slowness * (finalists * examination + VERDICT_SECONDS + looking) + inside
    left = max(0.0, training.budget_seconds - _busy_seconds(earlier))
    return Budget(begun + max(left - reserve, LEAST_SHARE * left), begun + left, looking + inside)


def _busy_seconds(trials: Sequence[Trial]) -> float:
    """Return for how long at least one of these trials was running, whichever ran side by side."""
    spans = sorted((trial.started_at.timestamp(), trial.seconds) for trial in trials)
    total, until = 0.0, 0.0
    for start, seconds in spans:
        end = start + seconds
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
