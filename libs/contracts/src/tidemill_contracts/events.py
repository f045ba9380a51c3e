"""Every event that Tidemill's services tell each other, version 1.

Names follow `dev.tidemill.<noun>.<past-participle>.v1`. A field may be added with a default; anything else
is a new version beside the old one. Data is small: a reference to the objects, never the objects.
"""

from collections.abc import Mapping

from tidemill_contracts.data_events import (
    DatasetIngested,
    DatasetRejected,
    DatasetTransformed,
    DropDeduplicated,
    DropQuarantined,
    PipelineDeleted,
    RetrainRequested,
    SchemaChange,
)
from tidemill_contracts.event import EventData
from tidemill_contracts.model_events import (
    CandidateTrained,
    FeedbackReceived,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
    ModelSuperseded,
    ModelWithdrawn,
    PredictionLogged,
    ReleaseStepped,
    TrialFinished,
)
from tidemill_contracts.reason import Reason

__all__ = [
    "EVENT_TYPES",
    "TYPE_NAMES",
    "CandidateTrained",
    "DatasetIngested",
    "DatasetRejected",
    "DatasetTransformed",
    "DropDeduplicated",
    "DropQuarantined",
    "FeedbackReceived",
    "ModelBlessed",
    "ModelDeployed",
    "ModelRejected",
    "ModelSuperseded",
    "ModelWithdrawn",
    "PipelineDeleted",
    "PredictionLogged",
    "Reason",
    "ReleaseStepped",
    "RetrainRequested",
    "SchemaChange",
    "TrialFinished",
]

EVENT_TYPES: Mapping[str, type[EventData]] = {
    "dev.tidemill.drop.quarantined.v1": DropQuarantined,
    "dev.tidemill.drop.deduplicated.v1": DropDeduplicated,
    "dev.tidemill.dataset.ingested.v1": DatasetIngested,
    "dev.tidemill.retrain.requested.v1": RetrainRequested,
    "dev.tidemill.pipeline.deleted.v1": PipelineDeleted,
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
