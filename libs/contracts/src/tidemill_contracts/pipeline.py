"""The pipeline spec: what a person writes to say what should be learned from which files.

Only the name and the label are required; the rest is inferred and shown. The same document is a file on a
laptop and a custom resource on Kubernetes.
"""

import hashlib
import json
import re
import reprlib
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tidemill_contracts.anomaly import AnomalyType, Severity
from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.profile import Task
from tidemill_contracts.retraining_spec import Retraining
from tidemill_contracts.serving_spec import Serving
from tidemill_contracts.spec_model import Combination, Rows, Rule, Share, SpanNumber, SpecModel, Texts
from tidemill_contracts.spec_problems import NAME_PATTERN, problems
from tidemill_contracts.training_spec import Blessing, Training

PipelineName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Document = TypeVar("Document", bound=SpecModel)


class InvalidSpec(ValueError):
    """The text is no pipeline or graph; each line of the message tells what is wrong with a field."""


class Split(SpecModel):
    """How rows are divided. The same row, or group of rows, always falls on the same side."""

    eval_share: Share = Field(default=0.2, description="Share of rows held out for evaluation.")
    group_by: Combination = Field(
        default=(), description="Columns whose values make a group, which is never divided."
    )
    time: str | None = Field(
        default=None,
        min_length=1,
        description="Column by which the newest rows are held out, instead of any.",
    )

    rules = (
        Rule(
            expected="expected groupBy or time, received both: a group may span all times",
            holds=lambda split: not split.group_by or split.time is None,
            cel="size(self.groupBy) == 0 || !has(self.time)",
        ),
    )


class Data(SpecModel):
    """Which spans a dataset version is made of, up to the one that caused it."""

    last: SpanNumber | None = Field(default=None, description="The newest spans only, as many as this.")
    since: SpanNumber | None = Field(default=None, description="Spans from this number on only.")
    exclude: tuple[SpanNumber, ...] = Field(
        default=(), max_length=10_000, description="Spans that are never used."
    )


class Distances(SpecModel):
    """How far two distributions of a column may lie apart; null, or 1, switches a comparison off."""

    l_infinity: float | None = Field(
        default=0.3, ge=0, le=1, description="Categories: largest difference of a value's share."
    )
    jensen_shannon: float | None = Field(
        default=0.3, ge=0, le=1, description="Numbers: Jensen-Shannon divergence over bins, in bits."
    )


class Validation(SpecModel):
    """When data is refused."""

    max_rejected_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of rows that are unreadable in one file, or break the rules of a column.",
    )
    min_rows: Rows = Field(default=100, ge=2, description="Fewest labelled rows a dataset version may have.")
    drift: Distances = Field(default=Distances(), description="Limits between new data and earlier data.")
    skew: Distances = Field(default=Distances(), description="Limits between the two sides of the split.")
    severities: dict[AnomalyType, Severity] = Field(
        default={}, description="What an anomaly does, where that should differ from what is usual."
    )


class PipelineSpec(SpecModel):
    """The `spec` of a pipeline."""

    label: str = Field(
        min_length=1,
        max_length=4096,
        description="A SQL expression over the row: true or false, a text for one of several classes, or a "
        "number. Rows where it is null are left out. Columns it names are never features.",
    )
    task: Task | None = Field(
        default=None, description="What is learned; by default what the type of the label suggests."
    )
    weight: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="A SQL expression over the row: how often it counts, a number of at least 0. Rows where "
        "it is null are left out. Columns it names are never features.",
    )
    leave_out: Texts = Field(default=(), description="Columns that must not become features.")
    columns: dict[str, ColumnSpec] = Field(
        default={},
        max_length=2000,
        description="What is known of columns: type, rules, privacy, treatment as a feature.",
    )
    crosses: tuple[Combination, ...] = Field(
        default=(),
        max_length=1000,
        description="Categorical columns whose combinations are features too.",
    )
    slices: tuple[Combination, ...] = Field(
        default=(),
        max_length=1000,
        description="Columns by whose values data and models are looked at in parts.",
    )
    data: Data = Data()
    split: Split = Split()
    validation: Validation = Validation()
    training: Training = Training()
    blessing: Blessing = Blessing()
    serving: Serving = Serving()
    retraining: Retraining = Retraining()


class Metadata(SpecModel):
    """Kubernetes object metadata, as far as a pipeline uses it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: PipelineName


class Pipeline(SpecModel):
    """The whole document."""

    api_version: Literal["tidemill.dev/v1"] = "tidemill.dev/v1"
    kind: Literal["Pipeline"] = "Pipeline"
    metadata: Metadata
    spec: PipelineSpec

    @model_validator(mode="before")
    @classmethod
    def _leave_status(cls, document: Any) -> Any:
        """Pass over what a cluster adds, so that what it shows can be applied anywhere."""
        if isinstance(document, dict):
            return {key: value for key, value in document.items() if key != "status"}
        return document

    @property
    def name(self) -> str:
        """The name that drops, models and URLs use."""
        return self.metadata.name

    def to_json(self) -> str:
        """Serialise in the canonical form that `digest` addresses."""
        return self.model_dump_json(by_alias=True)

    def digest(self) -> str:
        """Address the spec by content: equal specs have equal digests, whatever their layout."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def parse_pipeline(text: str | bytes) -> Pipeline:
    """Read a pipeline from YAML or JSON; raise InvalidSpec naming every wrong field."""
    return read_spec(text, Pipeline)


def read_spec(text: str | bytes, kind: type[Document]) -> Document:
    """Read a document of a kind from YAML or JSON; raise InvalidSpec naming every wrong field."""
    try:
        document = _document(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSpec(f"expected YAML, received {error}") from error
    if not isinstance(document, dict):
        raise InvalidSpec(f"expected a mapping with metadata and spec, received {reprlib.repr(document)}")
    try:
        return kind.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidSpec("\n".join(problems(error))) from error


def _document(text: str | bytes) -> object:
    """Read JSON as JSON, whose numbers and characters are not all those of YAML, all else as YAML."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def is_pipeline_name(name: str) -> bool:
    """Say whether a name can be a pipeline's: lower case letters, digits and dashes, at most 40."""
    return re.fullmatch(NAME_PATTERN, name) is not None
