"""The budget of a whole job: what of it the search may use, before all that comes after it."""

from collections.abc import Sequence

from tidemill_contracts.training_spec import Training
from tidemill_trainer.search.board import busy_seconds
from tidemill_trainer.trainings import Trial

# Measured on two cores: to export a model and to load it back, and to ask it for so many held-out rows.
EXAMINATION_SECONDS, EXAMINATION_SECONDS_PER_ROW = 5.0, 1.5e-5
# To judge the best model, in a fresh model server too, to draw its card and to commit it. For looking inside
# the model, a share of the budget is spent.
VERDICT_SECONDS, VERDICT_SECONDS_PER_ROW = 20.0, 6e-5
INSIDE_SHARE, MAX_INSIDE_SECONDS = 0.04, 120.0
# Of a small budget, the search has this much all the same.
LEAST_SHARE = 0.3


def search_until(
    training: Training, *, begun: float, earlier: Sequence[Trial] = (), rows_held_out: int
) -> float:
    """Return when the last fit has to end, of the monotonic clock: infinite without a budget.

    Args:
        training: The spec, with the budget and the families.
        begun: When this job began.
        earlier: Trials of jobs before it that were cut short: their time counts.
        rows_held_out: How many rows every finalist is asked for.
    """
    budget = training.budget_seconds
    if budget is None:
        return float("inf")
    finalists = len(set(training.families) | {"linear"})
    reserve = (
        finalists * (EXAMINATION_SECONDS + EXAMINATION_SECONDS_PER_ROW * rows_held_out)
        + VERDICT_SECONDS
        + VERDICT_SECONDS_PER_ROW * rows_held_out
        + min(MAX_INSIDE_SECONDS, INSIDE_SHARE * budget)
    )
    left = budget - busy_seconds(earlier)
    return begun + max(left - reserve, LEAST_SHARE * left, 0.0)
