"""Which training goes next. Pure: what is known goes in, turns come out."""

from dataclasses import replace
from datetime import datetime

from tidemill_trainer.standing import Standing
from tidemill_trainer.trainings import Data, Training


class Queue:
    """The trainings whose end was not told, of every pipeline.

    Of a pipeline one is trained at a time, as each is judged against the champion that the one before may
    have become: first what was launched already, then the newest data.
    """

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}

    def __len__(self) -> int:
        return len(self._standings)

    def admit(self, standing: Standing) -> None:
        """Take a training in, or what became known of one."""
        name = standing.intent.name
        earlier = self._standings.get(name)
        known = standing.after(earlier) if earlier else standing
        if known.waits or not known.is_superseded_told:
            self._standings[name] = known
        else:
            self._standings.pop(name, None)

    def remove(self, training: Training) -> None:
        """Let go of a training that came to its end."""
        self._standings.pop(training.name, None)

    def launched(self, training: Training) -> None:
        """Note that a training has begun."""
        self._standings[training.name] = replace(self._standings[training.name], is_launched=True)

    def told_superseded(self, standing: Standing) -> None:
        """Note that it was told what a training gave way to."""
        self.admit(replace(standing, is_superseded_told=True))

    def pipelines(self) -> list[str]:
        """Name the pipelines that have trainings, those first that have waited longest."""
        since: dict[str, datetime] = {}
        for intent in (standing.intent for standing in self._standings.values()):
            since[intent.pipeline] = min(intent.accepted_at, since.get(intent.pipeline, intent.accepted_at))
        return sorted(since, key=lambda pipeline: (since[pipeline], pipeline))

    def next(self, pipeline: str) -> Training | None:
        """Return the training whose turn it is, None when there is none."""
        waiting = (standing for standing in self._of(pipeline) if standing.waits)
        first = max(waiting, key=lambda each: (each.is_launched, *_age(each)), default=None)
        return first.training if first else None

    def overtaken(self, pipeline: str) -> list[tuple[Standing, Training]]:
        """Return each training that gives way, with the one on newer data that it gives way to."""
        waiting = [standing for standing in self._of(pipeline) if standing.waits]
        newest = {each.intent.spec_digest: each for each in sorted(waiting, key=_age)}
        pairs = ((old, newest[old.intent.spec_digest].intent) for old in waiting if old.gives_way)
        return [(old, newer) for old, newer in pairs if newer.data > old.intent.data]

    def untold(self, pipeline: str) -> list[Standing]:
        """Return the trainings that gave way, which nobody was told yet."""
        return [each for each in self._of(pipeline) if each.is_superseded and not each.is_superseded_told]

    def _of(self, pipeline: str) -> list[Standing]:
        return [each for each in self._standings.values() if each.intent.pipeline == pipeline]


def _age(standing: Standing) -> tuple[Data, datetime]:
    return standing.training.data, standing.training.accepted_at
