"""Tells what a job notes in the bucket while it goes on: trials of the search, and trained families."""

from collections.abc import Callable

from tidemill_contracts.event import EventData
from tidemill_contracts.events import CandidateTrained, TrialFinished
from tidemill_runtime.telling import Cause
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER
from tidemill_trainer.trainings import Training, Trainings, Trial

Tell = Callable[[EventData, Cause], None]


class Announcer:
    """Tells each note once; a new process tells those of unfinished trainings again, in the same words."""

    def __init__(self, trainings: Trainings, tell: Tell) -> None:
        self._trainings = trainings
        self._tell = tell
        self._told: dict[str, set[str]] = {}
        self._best: dict[str, float] = {}

    def tell(self, training: Training) -> None:
        """Tell what is new of a training."""
        told = self._told.setdefault(training.name, set())
        for name, trial in self._trainings.trials(training, besides=told):
            self._tell(self._trial(training, trial), training.cause)
            told.add(name)
        for name, candidate in self._trainings.candidates(training, besides=told):
            facts = candidate.model_dump(include={"family", "metrics", "seconds"})
            trained = CandidateTrained(pipeline=training.pipeline, model_id=training.model_id, **facts)
            self._tell(trained, training.cause)
            told.add(name)

    def forget(self, training: Training) -> None:
        """Let go of a training that came to its end."""
        self._told.pop(training.name, None)
        self._best.pop(training.name, None)

    def _trial(self, training: Training, trial: Trial) -> TrialFinished:
        best = self._best.get(training.name)
        if trial.score is not None:
            better = max if HIGHER_IS_BETTER.get(trial.metric, True) else min
            best = self._best[training.name] = trial.score if best is None else better(best, trial.score)
        return TrialFinished(
            pipeline=training.pipeline,
            model_id=training.model_id,
            trial=trial.number,
            best=best,
            **trial.model_dump(include={"family", "metric", "score", "state", "seconds", "seconds_left"}),
        )
