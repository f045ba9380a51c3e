"""Where trainings stand before they run, as the bucket remembers it beside their intents.

trainings/P/ID/jobs/N.json       attempt N is launched: from the first on, the training goes on to its end
trainings/P/ID/superseded.json   newer data came before that: it is not trained ...
trainings/P/ID/superseded-told   ... which was published
trainings/P/ID/requested.json    ... unless someone asks for it: the intent, as it was asked for
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tidemill_contracts.events import ModelSuperseded
from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.trainings import TOLD, Training, Trainings

SUPERSEDED = "superseded.json"
SUPERSEDED_TOLD = "superseded-told"
REQUESTED = "requested.json"


class Launch(ProfileModel):
    """One attempt at a training, as it is launched. `logs` says where a person finds what it writes."""

    launched_at: datetime
    logs: str


@dataclass(frozen=True)
class Standing:
    """One training's place. `asked` is the intent of a request for it, None when only new data caused it."""

    intent: Training
    asked: Training | None = None
    is_launched: bool = False
    is_superseded: bool = False
    is_superseded_told: bool = False

    @property
    def training(self) -> Training:
        """The training, with what its verdict follows from: of one that was superseded, the later request."""
        return self.asked if self.asked and self.is_superseded else self.intent

    @property
    def waits(self) -> bool:
        """Whether it has a turn to wait for, or has had it."""
        return self.asked is not None or not self.is_superseded

    @property
    def gives_way(self) -> bool:
        """Whether newer data takes its place."""
        return self.asked is None and not self.is_launched and not self.is_superseded

    def after(self, earlier: "Standing") -> "Standing":
        """Add what was known before: what happened once stays so, whichever was seen first."""
        return Standing(
            self.intent,
            asked=earlier.asked or self.asked,
            is_launched=earlier.is_launched or self.is_launched,
            is_superseded=earlier.is_superseded or self.is_superseded,
            is_superseded_told=earlier.is_superseded_told or self.is_superseded_told,
        )


@dataclass(frozen=True)
class Standings:
    """Reads and writes those objects. All writes happen at most once; repeating one changes nothing."""

    trainings: Trainings

    def accept(self, training: Training) -> Standing:
        """Persist an intent, and that it was asked for; return how it stands: a restart finds the same."""
        intent = self.trainings.accept(training)
        store = self.trainings.store
        if training.requested:
            store.create(training.beside(REQUESTED), training.model_dump_json().encode())
        return self._standing(intent, store.list(intent.beside("")))

    def unfinished(self) -> list[Standing]:
        """Return every training whose end was not told, in the order they were accepted."""
        beside: dict[str, list[str]] = {}
        for name in self.trainings.names():
            beside.setdefault(_folder(name), []).append(name)
        standings = [
            self._standing(training, beside.get(_folder(training.name), ()))
            for training in self.trainings.without(TOLD)
        ]
        return [each for each in standings if each.waits or not each.is_superseded_told]

    def supersede(self, standing: Standing, by: Training) -> Standing:
        """Decide for ever that a training gives way to newer data."""
        old = standing.intent
        told = ModelSuperseded(
            **old.model_dump(include={"pipeline", "model_id", "dataset", "dataset_id"}),
            by_dataset=by.dataset,
            by_model_id=by.model_id,
            seconds=max(0.0, (datetime.now(UTC) - old.accepted_at).total_seconds()),
        )
        self.trainings.store.create(old.beside(SUPERSEDED), told.model_dump_json().encode())
        return replace(standing, is_superseded=True)

    def superseded(self, training: Training) -> ModelSuperseded:
        """Return what a training gave way to."""
        return ModelSuperseded.model_validate_json(self.trainings.store.read(training.beside(SUPERSEDED)))

    def note_launch(self, training: Training, attempt: int, logs: str) -> None:
        """Note that an attempt is about to be launched."""
        launch = Launch(launched_at=datetime.now(UTC), logs=logs)
        self.trainings.store.create(_launch_name(training, attempt), launch.model_dump_json().encode())

    def _standing(self, intent: Training, names: Collection[str]) -> Standing:
        asked = None
        if intent.beside(REQUESTED) in names:
            asked = Training.model_validate_json(self.trainings.store.read(intent.beside(REQUESTED)))
        return Standing(
            intent,
            asked=asked,
            is_launched=_launch_name(intent, 1) in names,
            is_superseded=intent.beside(SUPERSEDED) in names,
            is_superseded_told=intent.beside(SUPERSEDED_TOLD) in names,
        )


def _launch_name(training: Training, attempt: int) -> str:
    return training.beside(f"jobs/{attempt}.json")


def _folder(name: str) -> str:
    return "/".join(name.removesuffix(".json").split("/")[:3])
