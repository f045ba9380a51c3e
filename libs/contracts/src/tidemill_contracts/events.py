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


class DropQuarantined(EventData):
    """A dropped file could not become a span. `pipeline` is None when the file belongs to none."""

    pipeline: str | None
    object_name: str
    generation: int
    reason: Reason
    quarantine_name: str | None
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
    """A dropped file became an immutable span."""

    pipeline: str
    spec_digest: str
    span: int
    span_id: str
    object_name: str
    generation: int
    rows: int
    rows_rejected: int
    columns: int
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/spans/{self.span}"


class DatasetTransformed(EventData):
    """A window of spans became a dataset version: profiled, validated, split, staged."""

    pipeline: str
    spec_digest: str
    dataset: int
    dataset_id: str
    spans: tuple[int, ...]
    rows_in: int
    rows_train: int
    rows_eval: int
    rows_unlabelled: int
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/datasets/{self.dataset}"


class DatasetRejected(EventData):
    """A window of spans cannot be trained on."""

    pipeline: str
    span: int
    reasons: tuple[Reason, ...]
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/spans/{self.span}"


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
    """A model version answers requests under its label. `replaces` is the version that did before."""

    pipeline: str
    version: int
    model_id: str
    label: Literal["stable"]
    replaces: int | None
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


class ModelWithdrawn(EventData):
    """A blessed model version could not be deployed and does not serve."""

    pipeline: str
    version: int
    model_id: str
    reason: Reason
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/models/{self.model_id}"


EVENT_TYPES: Mapping[str, type[EventData]] = {
    "dev.tidemill.drop.quarantined.v1": DropQuarantined,
    "dev.tidemill.drop.deduplicated.v1": DropDeduplicated,
    "dev.tidemill.dataset.ingested.v1": DatasetIngested,
    "dev.tidemill.dataset.transformed.v1": DatasetTransformed,
    "dev.tidemill.dataset.rejected.v1": DatasetRejected,
    "dev.tidemill.candidate.trained.v1": CandidateTrained,
    "dev.tidemill.model.blessed.v1": ModelBlessed,
    "dev.tidemill.model.rejected.v1": ModelRejected,
    "dev.tidemill.model.deployed.v1": ModelDeployed,
    "dev.tidemill.model.withdrawn.v1": ModelWithdrawn,
}

TYPE_NAMES: Mapping[type[EventData], str] = {data: name for name, data in EVENT_TYPES.items()}
