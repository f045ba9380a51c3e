"""What happened to a pipeline: the last facts of each kind, however often and in whichever order told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import (
    DatasetIngested,
    DatasetRejected,
    DatasetTransformed,
    DropDeduplicated,
    DropQuarantined,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
    ModelWithdrawn,
    Reason,
    TrialFinished,
)
from tidemill_contracts.training_spec import Metric

KEPT_OF_EACH_KIND = 8
# Of a binary task, of several classes, of numbers, of quantiles: the first there is.
HEADLINE: tuple[Metric, ...] = ("roc_auc", "log_loss", "rmse", "pinball_loss")

Kind = Literal[
    "DropDeduplicated",
    "DropQuarantined",
    "DatasetIngested",
    "DatasetTransformed",
    "DatasetRejected",
    "TrialFinished",
    "ModelBlessed",
    "ModelRejected",
    "ModelDeployed",
    "ModelWithdrawn",
]
REFUSALS: tuple[Kind, ...] = ("DropQuarantined", "DatasetRejected", "ModelRejected", "ModelWithdrawn")
ABOUT_VERSIONS: tuple[Kind, ...] = ("ModelBlessed", "ModelWithdrawn")
# Codes of withdrawals that trouble nobody: a newer version came, or the whole pipeline went.
SUPERSEDED, PIPELINE_DELETED = "superseded", "pipeline-deleted"


class Fact(BaseModel):
    """One event, as far as a person is told of it.

    `number` is of the span, dataset or model version it is about, None where there is none. `label` is that
    of a deployed version, `code` and `text` say why something was refused; of a blessed model `text` is what
    it reached.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    time: datetime
    kind: Kind
    number: int | None = None
    label: str = ""
    code: str = ""
    text: str = ""

    @property
    def is_stable(self) -> bool:
        """Whether from then on a version answered all requests."""
        return self.kind == "ModelDeployed" and self.label == "stable"

    @property
    def is_refusal(self) -> bool:
        """Whether something is not as a person wanted it."""
        return self.kind in REFUSALS and self.code != SUPERSEDED


Facts = tuple[Fact, ...]


def fold(facts: Facts, new: Fact) -> Facts:
    """Add a fact, in the order of time. One that is known changes nothing: its first telling counts."""
    known = {fact.id: fact for fact in facts}
    if new.id in known and known[new.id].time <= new.time:
        return facts
    ordered = sorted({**known, new.id: new}.values(), key=lambda fact: (fact.time, fact.id))
    groups: dict[tuple[Kind, bool], list[Fact]] = {}
    for fact in ordered:
        groups.setdefault((fact.kind, fact.is_stable), []).append(fact)
    newest = {fact.id for group in groups.values() for fact in group[-KEPT_OF_EACH_KIND:]}
    # As long as it is known that a version was deployed, so is how good it is, and that it was withdrawn.
    deployed = {fact.number for fact in ordered if fact.kind == "ModelDeployed" and fact.id in newest}
    after = tuple(
        fact
        for fact in ordered
        if fact.id in newest or (fact.kind in ABOUT_VERSIONS and fact.number in deployed)
    )
    return facts if after == facts else after


def fact_of(event: Event) -> Fact | None:
    """Return what a person is told of an event; None where that is nothing."""
    told = _told(event.data)
    if told is None:
        return None
    data = event.data
    # Of a search with many trials, that it began is enough.
    fact_id = f"training-{data.model_id}" if isinstance(data, TrialFinished) else event.id
    return Fact.model_validate({"id": fact_id, "time": event.time, "kind": type(data).__name__, **told})


def _told(data: EventData) -> Mapping[str, object] | None:
    told: Mapping[str, object] | None = None
    match data:
        case DropDeduplicated() | TrialFinished():
            told = {}
        case DatasetIngested(span=number) | DatasetTransformed(dataset=number):
            told = {"number": number}
        case DropQuarantined(object_name=name, reason=reason):
            told = {"code": reason.code, "text": f"{name}: {reason.message}"}
        case DatasetRejected(span=number, reasons=reasons):
            told = {"number": number, **_why(reasons)}
        case ModelBlessed(version=number, metrics=metrics):
            told = {"number": number, "text": headline(metrics)}
        case ModelRejected(version=version, reasons=reasons):
            told = {"number": version, **_why(reasons)}
        case ModelDeployed(version=number, label=label):
            told = {"number": number, "label": label}
        case ModelWithdrawn(version=number, reason=reason) if reason.code != PIPELINE_DELETED:
            told = {"number": number, **_why([reason])}
    return told


def headline(metrics: Mapping[str, float]) -> str:
    """Write the metric that people know a model by."""
    return next((f"{name} {metrics[name]:.4f}" for name in HEADLINE if name in metrics), "")


def _why(reasons: Sequence[Reason]) -> Mapping[str, str]:
    text = "; ".join(f"{reason.code}: {reason.message}" for reason in reasons)
    return {"code": reasons[0].code if reasons else "", "text": text}
