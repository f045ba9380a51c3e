"""What a model card says: every number that is on its page, and more."""

from datetime import datetime
from typing import Literal

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import FeatureKind, LabelProfile, LeftOut, ProfileModel, Task
from tidemill_contracts.training_spec import Blessing
from tidemill_trainer.environment import Environment
from tidemill_trainer.judging.findings import Findings, Served
from tidemill_trainer.trainings import Trial


class FeatureFacts(ProfileModel):
    """A column that the model reads. `summary` tells of its values in the training rows."""

    name: str
    kind: FeatureKind
    missing_share: float
    summary: str


class DataFacts(ProfileModel):
    """What the model has learned from.

    `rows_learned` is how many of the training rows, fewer where memory made it sample. Restricted columns are
    counted, and never named; classes of a label that is made of one have no names either.
    """

    dataset: int
    dataset_id: str
    spans: tuple[int, ...]
    rows_train: int
    rows_learned: int
    rows_eval: int
    rows_measured: int
    rows_unlabelled: int
    rows_rejected: int
    weighted: bool
    class_weights: tuple[tuple[str, float], ...]
    split: str
    is_grouped: bool
    label: LabelProfile
    features: tuple[FeatureFacts, ...]
    crosses: tuple[tuple[str, ...], ...]
    left_out: tuple[LeftOut, ...]
    restricted: int
    anomalies: tuple[Reason, ...]


class CandidateFacts(ProfileModel):
    """A finalist: how it did on the held-out rows, and what kept it from being chosen, if anything."""

    family: str
    score: float | None
    metrics: dict[str, float]
    params: dict[str, bool | int | float | str]
    seconds: float
    defects: tuple[Reason, ...]


class SearchFacts(ProfileModel):
    """How the model was found; `seconds` is the time from the start of the job to the verdict."""

    budget: str
    seconds: float
    trials: tuple[Trial, ...]
    candidates: tuple[CandidateFacts, ...]


class Lineage(ProfileModel):
    """What it takes to train the same model again, and what to look up in other records."""

    spec_digest: str
    dataset_id: str
    span_ids: tuple[str, ...]
    seed: int
    environment: Environment
    correlation_id: str
    accepted_at: datetime
    trained_at: datetime


class Check(ProfileModel):
    """A rule of the verdict, and what came of it; broken ones have a detail for every reason."""

    name: str
    state: Literal["held", "broken", "skipped"]
    details: tuple[str, ...]


class ModelCard(ProfileModel):
    """All that is known of a model.

    `findings` are None when it has defects, which alone are then the reasons. `champion` is the version that
    it was compared with. `positive` is the class whose probability dependence is about, for several classes.
    """

    format: Literal[1] = 1
    pipeline: str
    version: int
    model_id: str
    task: Task
    classes: tuple[str, ...]
    family: str
    decides: str
    blessed: bool
    reasons: tuple[Reason, ...]
    checks: tuple[Check, ...]
    champion: int | None
    blessing: Blessing
    findings: Findings | None
    served: Served | None
    not_served: str
    size_bytes: int
    decision_threshold: float | None
    positive: str
    data: DataFacts
    search: SearchFacts
    limits: tuple[str, ...]
    lineage: Lineage
