"""One attempt of the search: what is tried, and what came of it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from tidemill_contracts.training_spec import Family
from tidemill_runtime.logs import get_logger
from tidemill_trainer.families import Learner, Params, Pruned, Watch
from tidemill_trainer.search.fitting import Fitted, OutOfTime, fit
from tidemill_trainer.search.material import Material
from tidemill_trainer.search.studies import Suggestion
from tidemill_trainer.trainings import Trial

Origin = Literal["default", "champion", "search", "ablation"]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is tried, when it has to end, and when it is given up if it has not, of the monotonic clock.

    `repeats` is the trial of an earlier job that is done again, because its model was lost with that job;
    `fold` is not 0 for what learns from other rows than the search does.
    """

    family: Family
    origin: Origin
    params: Params
    number: int
    stop_at: float
    give_up_at: float = float("inf")
    suggestion: Suggestion | None = None
    left_out: tuple[str, ...] = ()
    repeats: Trial | None = None
    fold: int = 0


@dataclass(frozen=True)
class Outcome:
    """A trial that ended, and its model, None when it was pruned or failed."""

    trial: Trial
    fitted: Fitted | None


def make(
    attempt: Attempt,
    learner: Learner,
    material: Material,
    *,
    seed: int,
    are_imported: threading.Event,
) -> Outcome:
    """Train; whatever goes wrong is the trial's outcome. Any thread may do so.

    Answers may take TensorFlow, which must not be imported by two threads: they wait until it is.
    """
    clock = _Clock(datetime.now(UTC), time.monotonic())
    try:
        fitted = fit(
            learner,
            material.without(attempt.left_out),
            attempt.params,
            seed=seed,
            watch=_watch(attempt),
            before_answers=lambda: clock.wait(are_imported),
        )
    except Pruned:
        return Outcome(_trial(attempt, clock, state="pruned"), None)
    except OutOfTime as error:
        return Outcome(_trial(attempt, clock, state="failed", message=str(error), is_cut_short=True), None)
    except Exception as error:  # noqa: BLE001 - a family, maybe the user's own, may fail in any way; others go on
        get_logger().exception("trial-failed", family=attempt.family, number=attempt.number)
        message = f"{type(error).__name__}: {error}"[:1000]
        return Outcome(_trial(attempt, clock, state="failed", message=message), None)
    if attempt.repeats:
        return Outcome(attempt.repeats, fitted)
    found = {
        "score": fitted.score,
        "loss": fitted.loss,
        "curves": dict(fitted.models[0].curves),
        "is_cut_short": fitted.is_cut_short,
    }
    return Outcome(_trial(attempt, clock, state="finished", **found), fitted)


@dataclass
class _Clock:
    started_at: datetime
    begin: float

    def wait(self, event: threading.Event) -> None:
        """Wait, and do not count it."""
        since = time.monotonic()
        event.wait()
        self.begin += time.monotonic() - since

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.begin, 3)


def _trial(attempt: Attempt, clock: _Clock, **result: Any) -> Trial:
    return Trial(
        number=attempt.number,
        family=attempt.family,
        origin=attempt.origin,
        params=dict(attempt.params),
        started_at=clock.started_at,
        seconds=clock.seconds,
        left_out=attempt.left_out,
        **result,
    )


def _watch(attempt: Attempt) -> Watch:
    watch = Watch(attempt.stop_at, give_up_at=attempt.give_up_at)
    return replace(watch, report=_reporter(attempt.suggestion)) if attempt.suggestion else watch


def _reporter(suggestion: Suggestion) -> Callable[[int, float], None]:
    def report(step: int, loss: float) -> None:
        suggestion.trial.report(loss, step)
        if suggestion.trial.should_prune():
            raise Pruned

    return report
