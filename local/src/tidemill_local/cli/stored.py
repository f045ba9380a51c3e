"""What the bucket says of a pipeline's data: spans, dataset versions, the models made of them."""

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected
from tidemill_contracts.manifest import DatasetManifest, ModelManifest, SpanManifest
from tidemill_contracts.pipeline import Pipeline, parse_pipeline
from tidemill_contracts.profile import Profile, ProfileModel
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.supervisor.home import Home
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import ObjectNotFound
from tidemill_runtime.sequence import Sequence

Document = TypeVar("Document", bound=BaseModel)


class Training(ProfileModel):
    """What is said here of the intent to train a model.

    `failed` when no attempt gave one, `superseded` when newer data came first.
    """

    dataset_id: str
    correlation_id: str
    failed: bool = False
    superseded: bool = False


@dataclass(frozen=True)
class Version:
    """A dataset version, its training and the model that came of it, None where there is none yet."""

    manifest: DatasetManifest
    created: datetime
    training: Training | None
    model: ModelManifest | None


@dataclass(frozen=True)
class Refusal:
    """A window of spans that became no dataset version."""

    rejection: DatasetRejected
    created: datetime


@dataclass(frozen=True)
class StoredData:
    """The data of one pipeline."""

    store: FolderStore
    pipeline: str

    @property
    def bucket(self) -> Path:
        return Path(self.store.uri(self.store.bucket)).parent

    def versions(self) -> list[Version]:
        """Return every dataset version by number; a number that was given, but never used, has none."""
        trainings, models = self._trainings(), self._models()
        versions = []
        for dataset_id in Sequence(self.store, layout.DATASET_SEQUENCE, self.pipeline).keys().values():
            name = layout.dataset(self.pipeline, dataset_id, "manifest.json")
            with suppress(ObjectNotFound):
                manifest = self._read(name, DatasetManifest)
                made = trainings.get(dataset_id), models.get(dataset_id)
                versions.append(Version(manifest, self._created(name), *made))
        return versions

    def version(self, number: int | None) -> Version:
        """Return one dataset version, None for the newest; raise CommandFailed when there is no such one."""
        versions = {version.manifest.dataset: version for version in self.versions()}
        wanted = max(versions, default=None) if number is None else number
        if wanted is None or wanted not in versions:
            there = f"dataset versions of {self.pipeline} are {sorted(versions) or 'none yet'}"
            asked = "the newest" if number is None else number
            raise CommandFailed(f"expected a dataset version: {there}, received {asked}")
        return versions[wanted]

    def refusals(self) -> list[Refusal]:
        """Return the windows that became no dataset version, the oldest first."""
        names = self.store.list(layout.dataset(self.pipeline, "", "").rstrip("/") + "/")
        found = [
            Refusal(self._read(name, DatasetRejected), self._created(name))
            for name in names
            if name.endswith("/rejection.json")
        ]
        return sorted(found, key=lambda refusal: refusal.created)

    def span(self, number: int) -> SpanManifest:
        """Return one span; raise CommandFailed when there is no such one."""
        spans = Sequence(self.store, layout.SPAN_SEQUENCE, self.pipeline)
        try:
            return self._read(layout.span(self.pipeline, spans.key(number), "manifest.json"), SpanManifest)
        except ObjectNotFound as error:
            there = spans.numbers() or "none yet"
            raise CommandFailed(
                f"expected a span: those of {self.pipeline} are {there}, received {number}"
            ) from error

    def span_numbers(self) -> list[int]:
        """Number every span."""
        return Sequence(self.store, layout.SPAN_SEQUENCE, self.pipeline).numbers()

    def training(self, dataset_id: str) -> Training | None:
        """Return the training on a dataset version, None when there is none."""
        return self._trainings().get(dataset_id)

    def profile(self, version: Version) -> Profile:
        """Return the profile of a version's training rows."""
        return self._read(self.file(version, "profile.json"), Profile)

    def spec(self, digest: str) -> Pipeline:
        """Return a spec as it was pinned."""
        return parse_pipeline(self.store.read(layout.pinned_spec(self.pipeline, digest)))

    def text(self, version: Version, file: str) -> str:
        """Return a text that lies beside a dataset version."""
        return self.store.read(self.file(version, file)).decode()

    def file(self, version: Version, file: str) -> str:
        """Name an object of a dataset version; raise CommandFailed when it has none of that name."""
        name = layout.dataset(self.pipeline, version.manifest.dataset_id, file)
        if not Path(self.store.uri(name)).is_file():
            raise CommandFailed(f"expected {file} of dataset version {version.manifest.dataset}, it has none")
        return name

    def _models(self) -> dict[str, ModelManifest]:
        """The newest model by the dataset version that it was trained on."""
        names = self.store.list(layout.model_manifest(self.pipeline, "").removesuffix(".json"))
        found = (self._read(name, ModelManifest) for name in names)
        return {model.dataset_id: model for model in sorted(found, key=lambda model: model.version)}

    def _trainings(self) -> dict[str, Training]:
        names = self.store.list(layout.training(self.pipeline, "").removesuffix(".json"))
        intents = [name for name in names if name.count("/") == 2]
        trainings = (self._training(name, names) for name in intents)
        return {training.dataset_id: training for training in trainings}

    def _training(self, name: str, names: Container[str]) -> Training:
        beside = name.removesuffix(".json")
        superseded, requested = (f"{beside}/{file}.json" for file in ("superseded", "requested"))
        # What someone asked for after all has the story of that request.
        revived = superseded in names and requested in names
        states = {
            "failed": f"{beside}/rejected.json" in names,
            "superseded": superseded in names and not revived,
        }
        return self._read(requested if revived else name, Training).model_copy(update=states)

    def _created(self, name: str) -> datetime:
        return datetime.fromtimestamp(self.store.stat(name).generation / 1e6, UTC)

    def _read(self, name: str, model: type[Document]) -> Document:
        try:
            return model.model_validate_json(self.store.read(name))
        except ValidationError as error:
            what = f"expected {name} as this version of Tidemill writes it"
            raise CommandFailed(f"{what}, received {error.errors()[0]['msg']}") from error


def stored_bucket(home: Path) -> Path:
    """Find the bucket of a home folder, whether or not its platform runs; raise CommandFailed without one."""
    bucket = Home(home.resolve()).bucket
    if not bucket.is_dir():
        missing = f"expected a platform's data in {home}, found none"
        raise CommandFailed(f"{missing}; start one with: tidemill up --home {home}")
    return bucket


def stored_data(home: Path, pipeline: str) -> StoredData:
    """Open the data of a pipeline, whether or not the platform runs."""
    store = FolderStore(stored_bucket(home))
    known = sorted(pipelines(store))
    if pipeline not in known:
        raise CommandFailed(f"expected a pipeline of {known}, received {pipeline!r}")
    return StoredData(store, pipeline)


def pipelines(store: FolderStore) -> Iterator[str]:
    """Name every pipeline that has a spec."""
    return (Path(name).stem for name in store.list("pipelines/"))
