"""Every event that Tidemill's services tell each other, version 1.

Names follow `dev.tidemill.<noun>.<past-participle>.v1`. A field may be added with a default; anything else
is a new version beside the old one. Data is small: a reference to the objects, never the objects.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tidemill_contracts.event import EventData

Seconds = Annotated[float, Field(ge=0)]
Metrics = Mapping[str, float]


class Reason(EventData):
    """Why something was refused: a stable code for machines, and a sentence a person can act on."""

    code: str
    message: str


class SchemaChange(EventData):
    """How a column differs from earlier spans.

    `before` and `after` are its types, None on the side where it is absent; of one that is restricted or
    released they are what is stored of it, such as `keep` and `hash`.
    """

    column: str
    change: Literal["added", "removed", "widened", "retyped", "restricted", "released"]
    before: str | None = None
    after: str | None = None


class DropQuarantined(EventData):
    """A dropped file could not become a span. `pipeline` is None when the file belongs to none."""

    pipeline: str | None
    object_name: str
    generation: int
    reason: Reason
    quarantine_name: str | None
    changes: tuple[SchemaChange, ...] = ()
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"drops/{self.object_name}/generations/{self.generation}"


class DropDeduplicated(EventData):
    """A dropped file has the content of a span that exists already; nothing else happens."""

    pipeline: str
    object_name: str
    generation: int
    span: int
    span_id: str
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"drops/{self.object_name}/generations/{self.generation}"


class DatasetIngested(EventData):
    """A drop became an immutable span. `restricted_columns` are not stored in clear."""

    pipeline: str
    spec_digest: str
    span: int
    span_id: str
    object_name: str
    generation: int
    rows: int
    rows_rejected: int
    columns: int
    restricted_columns: tuple[str, ...] = ()
    changes: tuple[SchemaChange, ...] = ()
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/spans/{self.span}"

    @property
    def data_classification(self) -> str | None:
        return "restricted" if self.restricted_columns else None


class RetrainRequested(EventData):
    """Someone, or a schedule, asks for a new model of a pipeline as it is specified now.

    `span` is the newest one to be used, None for the newest there is. A request is known by its id: asked
    again, nothing more happens.
    """

    pipeline: str
    request_id: str
    span: int | None = None
    reason: str = ""

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/retrainings/{self.request_id}"


class DatasetTransformed(EventData):
    """A window of spans became a dataset version: profiled, validated, split, staged.

    `warnings` are the anomalies that did not stop it, by their types. `restricted_columns` are those of any
    of its spans. `requested` says that someone asked for a model of it, rather than new data having come.
    """

    pipeline: str
    spec_digest: str
    dataset: int
    dataset_id: str
    spans: tuple[int, ...]
    rows_in: int
    rows_train: int
    rows_eval: int
    rows_unlabelled: int
    rows_rejected: int = 0
    warnings: tuple[Reason, ...] = ()
    restricted_columns: tuple[str, ...] = ()
    requested: bool = False
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/datasets/{self.dataset}"

    @property
    def data_classification(self) -> str | None:
        return "restricted" if self.restricted_columns else None


class DatasetRejected(EventData):
    """A window of spans cannot be trained on.

    `dataset_id` is what the dataset version would have had; events of before it was told have none.
    """

    pipeline: str
    span: int
    dataset_id: str = ""
    reasons: tuple[Reason, ...]
    restricted_columns: tuple[str, ...] = ()
    seconds: Seconds

    @property
    def subject(self) -> str:
        span = f"pipelines/{self.pipeline}/spans/{self.span}"
        return f"{span}/datasets/{self.dataset_id}" if self.dataset_id else span

    @property
    def data_classification(self) -> str | None:
        return "restricted" if self.restricted_columns else None


class TrialFinished(EventData):
    """One attempt of a search at hyper-parameters ended.

    `score` is the deciding metric on rows kept aside, None when it was pruned or failed, and `best` is the
    best one so far, None while there is none. `seconds_left` is what remains of the budget, None without one.
    """

    pipeline: str
    model_id: str
    trial: int
    family: str
    metric: str
    score: float | None
    best: float | None
    state: Literal["finished", "pruned", "failed"]
    seconds: Seconds
    seconds_left: float | None = None

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}/trials/{self.trial}"


class ModelSuperseded(EventData):
    """A model that waited to be trained never will be: newer data arrived before its turn."""

    pipeline: str
    model_id: str
    dataset: int
    dataset_id: str
    by_dataset: int
    by_model_id: str
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


class CandidateTrained(EventData):
    """One family of models was trained and evaluated, as part of training one model version."""

    pipeline: str
    model_id: str
    family: str
    metrics: Metrics
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}/candidates/{self.family}"


class ModelBlessed(EventData):
    """A model version may serve. `champion` is the version it was compared with, None when there was none."""

    pipeline: str
    version: int
    model_id: str
    dataset: int
    dataset_id: str
    family: str
    metrics: Metrics
    champion: int | None
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


class ModelRejected(EventData):
    """A model version may not serve, or none could be trained (`version` None)."""

    pipeline: str
    version: int | None
    model_id: str
    dataset: int
    dataset_id: str
    family: str | None
    metrics: Metrics
    champion: int | None
    reasons: tuple[Reason, ...]
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


class ModelDeployed(EventData):
    """A model version answers requests under its label. `replaces` is the version that did before.

    `stable` answers all that name no version; under another label it is being released, and answers some.
    """

    pipeline: str
    version: int
    model_id: str
    label: Literal["stable", "canary", "shadow", "ab", "bandit"]
    replaces: int | None
    seconds: Seconds

    @property
    def subject(self) -> str:
        model = f"pipelines/{self.pipeline}/models/{self.model_id}"
        return model if self.label == "stable" else f"{model}/labels/{self.label}"


class ReleaseStepped(EventData):
    """A version that is being released answers another share of requests. `findings`: what the tests say."""

    pipeline: str
    version: int
    model_id: str
    release: int
    step: int
    share: float
    findings: tuple[str, ...] = ()
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}/releases/{self.release}/steps/{self.step}"


class ModelWithdrawn(EventData):
    """A blessed model version could not be deployed, or was taken back, and does not serve.

    `answers` counts the requests it answered while it was released, `failures` those it failed.
    """

    pipeline: str
    version: int
    model_id: str
    reason: Reason
    answers: int = 0
    failures: int = 0
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


class PredictionLogged(EventData):
    """Predictions of one model were written to `object_name`: a Parquet file, a row for each row asked."""

    pipeline: str
    object_name: str
    rows: int
    restricted_columns: tuple[str, ...] = ()
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/predictions/{self.object_name}"

    @property
    def data_classification(self) -> str | None:
        return "restricted" if self.restricted_columns else None


class FeedbackReceived(EventData):
    """Feedback on predictions of one model was written to `object_name`: a Parquet file, a row for each."""

    pipeline: str
    object_name: str
    rows: int
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/feedback/{self.object_name}"


EVENT_TYPES: Mapping[str, type[EventData]] = {
    "dev.tidemill.drop.quarantined.v1": DropQuarantined,
    "dev.tidemill.drop.deduplicated.v1": DropDeduplicated,
    "dev.tidemill.dataset.ingested.v1": DatasetIngested,
    "dev.tidemill.retrain.requested.v1": RetrainRequested,
    "dev.tidemill.dataset.transformed.v1": DatasetTransformed,
    "dev.tidemill.dataset.rejected.v1": DatasetRejected,
    "dev.tidemill.trial.finished.v1": TrialFinished,
    "dev.tidemill.candidate.trained.v1": CandidateTrained,
    "dev.tidemill.model.superseded.v1": ModelSuperseded,
    "dev.tidemill.model.blessed.v1": ModelBlessed,
    "dev.tidemill.model.rejected.v1": ModelRejected,
    "dev.tidemill.model.deployed.v1": ModelDeployed,
    "dev.tidemill.release.stepped.v1": ReleaseStepped,
    "dev.tidemill.model.withdrawn.v1": ModelWithdrawn,
    "dev.tidemill.prediction.logged.v1": PredictionLogged,
    "dev.tidemill.feedback.received.v1": FeedbackReceived,
}

TYPE_NAMES: Mapping[type[EventData], str] = {data: name for name, data in EVENT_TYPES.items()}
