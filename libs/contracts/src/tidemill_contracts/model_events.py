"""Events about models: how they are trained, judged and released, and what they answered."""

from collections.abc import Mapping
from typing import Literal

from tidemill_contracts.event import EventData
from tidemill_contracts.reason import Reason, Seconds

Metrics = Mapping[str, float]


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

    `stable` answers all that name no version; under another label it is being released, beside the version
    that `replaces` names, and answers a `share` of them. `release` counts the pipeline's releases; 0 is of
    before they were counted.
    """

    pipeline: str
    version: int
    model_id: str
    label: Literal["stable", "canary", "shadow", "ab", "bandit"]
    replaces: int | None
    release: int = 0
    share: float = 1
    seconds: Seconds

    @property
    def subject(self) -> str:
        model = _released(self.pipeline, self.model_id, self.release)
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
        return f"{_released(self.pipeline, self.model_id, self.release)}/steps/{self.step}"


class ModelWithdrawn(EventData):
    """A blessed model version could not be deployed, or was taken back, and does not serve.

    `answers` counts the requests it answered, `failures` those it failed or answered with what is no number.
    `release` as in ModelDeployed.
    """

    pipeline: str
    version: int
    model_id: str
    reason: Reason
    answers: int = 0
    failures: int = 0
    release: int = 0
    seconds: Seconds

    @property
    def subject(self) -> str:
        return _released(self.pipeline, self.model_id, self.release)


class PredictionLogged(EventData):
    """Predictions of one model, written to `object_name` by a gateway, are in the warehouse.

    `rows` are the rows that were asked. Restricted columns are not among what is logged of them.
    """

    pipeline: str
    object_name: str
    rows: int
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/predictions/{self.object_name}"


class FeedbackReceived(EventData):
    """Feedback on predictions of one model, written to `object_name` by a gateway, is in the warehouse."""

    pipeline: str
    object_name: str
    rows: int
    seconds: Seconds

    @property
    def subject(self) -> str:
        return f"pipelines/{self.pipeline}/feedback/{self.object_name}"


def _released(pipeline: str, model_id: str, release: int) -> str:
    """Name a model, or one of its releases: a version that was taken back may be released again."""
    model = f"pipelines/{pipeline}/models/{model_id}"
    return f"{model}/releases/{release}" if release else model
