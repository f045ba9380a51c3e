"""Tells what a job notes in the bucket while it goes on: trials of the search, and trained families."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill_contracts.event import EventData
from tidemill_contracts.events import CandidateTrained, TrialFinished
from tidemill_runtime.telling import Cause
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER
from tidemill_trainer.trainings import Candidate, Training, Trainings, Trial

# What took long may be told a little later: by this share of the time that nothing was new, and no more.
LATENESS = 0.05
MAX_LATENESS_SECONDS = 5.0

Tell = Callable[[EventData, Cause], None]


@dataclass
class _Followed:
    """What was told of a training, and when to look again."""

    news_at: float
    look_at: float
    told: set[str] = field(default_factory=set)
    best: float | None = None


class Announcer:
    """Tells each note once; a new process tells those of unfinished trainings again, in the same words."""

    def __init__(self, trainings: Trainings, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._trainings, self._tell, self._clock = trainings, tell, clock
        self._followed: dict[str, _Followed] = {}

    def follow(self, training: Training) -> None:
        """Tell what is new of a training that goes on, looking more rarely the longer nothing is."""
        if self._clock() >= self._of(training).look_at:
            self.tell(training)

    def tell(self, training: Training) -> None:
        """Tell what is new of a training."""
        followed, now = self._of(training), self._clock()
        for name, note in self._trainings.progress(training, besides=followed.told):
            self._tell(self._event(training, note, followed), training.cause)
            followed.told.add(name)
            followed.news_at = now
        followed.look_at = now + min(LATENESS * (now - followed.news_at), MAX_LATENESS_SECONDS)

    def forget(self, training: Training) -> None:
        """Let go of a training that came to its end."""
        self._followed.pop(training.name, None)

    def _of(self, training: Training) -> _Followed:
        return self._followed.setdefault(training.name, _Followed(self._clock(), self._clock()))

    def _event(self, training: Training, note: Trial | Candidate, followed: _Followed) -> EventData:
        of = training.model_dump(include={"pipeline", "model_id"})
        if isinstance(note, Candidate):
            return CandidateTrained(**of, **note.model_dump(include={"family", "metrics", "seconds"}))
        if note.score is not None:
            better = max if HIGHER_IS_BETTER.get(note.metric, True) else min
            followed.best = note.score if followed.best is None else better(followed.best, note.score)
        facts = note.model_dump(include={"family", "metric", "score", "state", "seconds", "seconds_left"})
        return TrialFinished(**of, trial=note.number, best=followed.best, **facts)
