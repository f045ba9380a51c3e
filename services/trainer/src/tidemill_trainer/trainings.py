"""What the bucket remembers of trainings: the intent, and beside it all that became of it.

    trainings/P/ID.json                 the intent, written before its message is acknowledged
    trainings/P/ID/jobs, requested, superseded   where it stands before it runs: see standing.py
    trainings/P/ID/environment.json     what the job ran with (by the job)
    trainings/P/ID/trials/NNNN.json     an attempt of the search ended (by the job)
    trainings/P/ID/checkpoint.npz       how far several workers came with a network (by the job)
    trainings/P/ID/candidates/F.json    a family was trained and evaluated (by the job)
    trainings/P/ID/errors/N.json        why attempt N ended, in the job's own words
    trainings/P/ID/failures/N.json      attempt N failed (by the driver)
    trainings/P/ID/rejected.json        no attempt gives a model: the verdict, for ever
    trainings/P/ID/told, .../recorded   the verdict was published, and written to the tracking server

A training that succeeded has its verdict in the model manifest.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from tidemill_contracts import layout
from tidemill_contracts.events import ModelBlessed, ModelRejected, Reason
from tidemill_contracts.manifest import ModelManifest, content_id
from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline
from tidemill_contracts.profile import ProfileModel
from tidemill_contracts.training_spec import Family
from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.telling import Cause
from tidemill_trainer.environment import Environment

TRAININGS = "trainings/"
TOLD = "told"
RECORDED = "recorded"
# Part of every model's address: raise it when the same dataset and spec should give another model.
CODE_VERSION = "2"

Verdict = ModelBlessed | ModelRejected


class Training(ProfileModel):
    """The intent to train one model, with all a job and a driver need to see it through.

    `requested` says that someone asked for this model, rather than new data having come.
    """

    pipeline: str
    model_id: str
    dataset: int
    dataset_id: str
    # Datasets used to be numbered by their newest span: intents of that time do not tell it.
    newest_span: int = Field(default_factory=lambda facts: facts["dataset"])
    spec_digest: str
    correlation_id: str
    causation_id: str | None
    data_classification: str | None = None
    requested: bool = False
    accepted_at: datetime

    @property
    def name(self) -> str:
        """The object that holds this intent."""
        return layout.training(self.pipeline, self.model_id)

    @property
    def cause(self) -> Cause:
        """What the events of this training follow from."""
        return Cause(self.correlation_id, self.causation_id, self.data_classification)

    @property
    def data(self) -> "Data":
        """What the model is trained on."""
        return Data(self.newest_span, self.dataset)

    def beside(self, file: str) -> str:
        """Name an object that says what became of this training."""
        return f"{self.name.removesuffix('.json')}/{file}"


class Trial(ProfileModel):
    """One attempt of the search at hyper-parameters, which are `params`.

    `score` is the deciding metric, of the name `metric`, and `loss` what the family minimises, on rows kept
    aside; None where there is none. `curves` maps a series to its value per step. `left_out` are features
    that it did not read. `is_cut_short` says that time was over before it was ready; `seconds_left` is what
    remained of the search's time when it ended, None without a budget.
    """

    number: int
    family: Family
    origin: Literal["default", "champion", "search", "ablation"]
    params: dict[str, bool | int | float | str]
    state: Literal["finished", "pruned", "failed"]
    score: float | None = None
    loss: float | None = None
    seconds: float
    curves: dict[str, tuple[float, ...]] = Field(default={})
    started_at: datetime
    message: str = ""
    left_out: tuple[str, ...] = ()
    is_cut_short: bool = False
    metric: str = ""
    seconds_left: float | None = None


class Candidate(ProfileModel):
    """One family's result. `curves` maps a series to its value per step; `defects` forbid it to serve.

    `score` is the deciding metric on the rows kept aside in training, by which one of them is chosen, and
    `metrics` are of the held-out rows, which decide nothing but the verdict.
    """

    family: str
    score: float | None = None
    metrics: dict[str, float]
    params: dict[str, bool | int | float | str]
    curves: dict[str, tuple[float, ...]]
    defects: tuple[Reason, ...]
    seconds: float


def model_id(dataset_id: str, spec_digest: str) -> str:
    """Address the model that a dataset version and a spec determine."""
    return content_id(dataset_id, spec_digest, CODE_VERSION)


@dataclass(frozen=True, order=True)
class Data:
    """The dataset version a model is trained on; newer data is greater."""

    newest_span: int
    dataset: int

    def __str__(self) -> str:
        return f"dataset {self.dataset} up to span {self.newest_span}"


@dataclass(frozen=True)
class Trainings:
    """Reads and writes those objects. All writes happen at most once; repeating one changes nothing."""

    store: ObjectStore

    def accept(self, training: Training) -> Training:
        """Persist the intent, and return it as it was first persisted; from now on a restart finds it."""
        self.store.create(training.name, training.model_dump_json().encode())
        return self.read(training.name)

    def read(self, name: str) -> Training:
        """Return one intent; raise ObjectNotFound when there is none of that name."""
        return Training.model_validate_json(self.store.read(name))

    def names(self) -> list[str]:
        """Name every intent, and everything beside them."""
        return self.store.list(TRAININGS)

    def pipelines(self) -> set[str]:
        """Name every pipeline that has trainings."""
        return {name.split("/")[1] for name in self.names()}

    def without(self, marker: str) -> list[Training]:
        """Return the trainings that lack a marker (TOLD or RECORDED), the oldest first."""
        names = set(self.names())
        intents = [name for name in names if name.count("/") == 2 and name.endswith(".json")]
        open_ones = [name for name in intents if f"{name.removesuffix('.json')}/{marker}" not in names]
        return sorted(map(self.read, open_ones), key=lambda training: training.accepted_at)

    def mark(self, training: Training, marker: str) -> None:
        """Note that something was done."""
        self.store.create(training.beside(marker), b"")

    def add_environment(self, training: Training, environment: Environment) -> None:
        """Note what the first attempt runs with."""
        self.store.create(training.beside("environment.json"), environment.model_dump_json().encode())

    def environment(self, training: Training) -> Environment | None:
        """Return what a training ran with, None when no job began."""
        try:
            return Environment.model_validate_json(self.store.read(training.beside("environment.json")))
        except ObjectNotFound:
            return None

    def add_trial(self, training: Training, trial: Trial) -> None:
        """Note how an attempt of the search ended."""
        name = training.beside(f"trials/{trial.number:04}.json")
        self.store.create(name, trial.model_dump_json().encode())

    def trials(self, training: Training) -> list[Trial]:
        """Return all attempts of the search, the oldest first."""
        names = self.store.list(training.beside("trials/"))
        return [Trial.model_validate_json(self.store.read(name)) for name in names]

    def add_candidate(self, training: Training, candidate: Candidate) -> None:
        """Note a family's result."""
        name = training.beside(f"candidates/{candidate.family}.json")
        self.store.create(name, candidate.model_dump_json().encode())

    def candidates(self, training: Training) -> list[Candidate]:
        """Return every family's result."""
        names = self.store.list(training.beside("candidates/"))
        return [Candidate.model_validate_json(self.store.read(name)) for name in names]

    def progress(
        self, training: Training, *, besides: Container[str]
    ) -> Iterator[tuple[str, Trial | Candidate]]:
        """Yield the object name and content of each trial, and then of each candidate, but for `besides`."""
        names = [name for name in self.store.list(training.beside("")) if name not in besides]
        for name in (name for name in names if name.startswith(training.beside("trials/"))):
            yield name, Trial.model_validate_json(self.store.read(name))
        for name in (name for name in names if name.startswith(training.beside("candidates/"))):
            yield name, Candidate.model_validate_json(self.store.read(name))

    def add_error(self, training: Training, attempt: int, error: Reason) -> None:
        """Note why an attempt is about to end without a model."""
        self.store.create(training.beside(f"errors/{attempt}.json"), error.model_dump_json().encode())

    def add_failure(self, training: Training, attempt: int, detail: str) -> None:
        """Count a failed attempt; the job's own words, where it had time for some, win over `detail`."""
        try:
            error = self.store.read(training.beside(f"errors/{attempt}.json"))
        except ObjectNotFound:
            error = Reason(code="training-failed", message=detail).model_dump_json().encode()
        self.store.create(training.beside(f"failures/{attempt}.json"), error)

    def failures(self, training: Training) -> int:
        """Count the attempts that failed."""
        return len(self.store.list(training.beside("failures/")))

    def failure(self, training: Training, attempt: int) -> Reason:
        """Read why an attempt failed."""
        return Reason.model_validate_json(self.store.read(training.beside(f"failures/{attempt}.json")))

    def reject(self, training: Training, reason: Reason) -> None:
        """Give the training up for ever."""
        verdict = ModelRejected(
            **training.model_dump(include={"pipeline", "model_id", "dataset", "dataset_id"}),
            version=None,
            family=None,
            metrics={},
            champion=None,
            reasons=(reason,),
            seconds=max(0.0, (datetime.now(UTC) - training.accepted_at).total_seconds()),
        )
        self.store.create(training.beside("rejected.json"), verdict.model_dump_json().encode())

    def spec(self, training: Training) -> TrainingSpec:
        """Return how a model is to be trained: by defaults where that cannot be read, as its job will say."""
        try:
            text = self.store.read(layout.pinned_spec(training.pipeline, training.spec_digest))
            return parse_pipeline(text).spec.training
        except (ObjectNotFound, InvalidSpec):
            return TrainingSpec()

    def manifest(self, training: Training) -> ModelManifest | None:
        """Return the model's manifest, None while there is none."""
        try:
            name = layout.model_manifest(training.pipeline, training.model_id)
            return ModelManifest.model_validate_json(self.store.read(name))
        except ObjectNotFound:
            return None

    def verdict(self, training: Training) -> Verdict | None:
        """Return how the training ended, None while it has not."""
        if (manifest := self.manifest(training)) is not None:
            return verdict_of(manifest, training)
        try:
            return ModelRejected.model_validate_json(self.store.read(training.beside("rejected.json")))
        except ObjectNotFound:
            return None


def verdict_of(manifest: ModelManifest, training: Training) -> Verdict:
    """Return the event that a manifest amounts to; its seconds run from the intent to the verdict."""
    facts = {
        **manifest.model_dump(include={"pipeline", "version", "model_id", "dataset", "dataset_id", "family"}),
        "metrics": manifest.metrics,
        "champion": manifest.champion,
        "seconds": max(0.0, (manifest.trained_at - training.accepted_at).total_seconds()),
    }
    return ModelBlessed(**facts) if manifest.blessed else ModelRejected(**facts, reasons=manifest.reasons)
