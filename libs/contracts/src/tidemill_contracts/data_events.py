"""Events about data: files that are dropped, spans, dataset versions, and who asks for a model of them."""

from typing import Literal, Self

from tidemill_contracts.event import EventData
from tidemill_contracts.reason import Reason, Seconds


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

    `span` is the newest one to be used, None for the newest there is. A request is known by its id, which is
    the event's if it has none of its own: asked again, nothing more happens.
    """

    pipeline: str
    request_id: str = ""
    span: int | None = None
    reason: str = ""

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/retrainings/{self.request_id}"

    def known_by(self, event_id: str) -> Self:
        return self if self.request_id else self.model_copy(update={"request_id": event_id})


class PipelineDeleted(EventData):
    """A pipeline is specified no longer: drops for it are refused, and its model answers no more.

    What was made of it stays in the bucket. `deletion_id` tells one deletion from the next of the same name.
    """

    pipeline: str
    deletion_id: str

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/deletions/{self.deletion_id}"


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
