"""Kubernetes Events about pipelines. The name follows from what is told: telling again doubles nothing."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidemill_controller.declarations import Report
from tidemill_controller.facts import Fact, Kind
from tidemill_controller.kubernetes_api import GROUP, VERSION, Resource
from tidemill_controller.resource_status import time_text

COMPONENT = "tidemill-controller"
MESSAGE_CHARACTERS = 1024
# The API server keeps an event for an hour: what is older would be told anew by a restart.
NEWS = timedelta(minutes=30)


@dataclass(frozen=True)
class Notice:
    """One line below `Events:`. `key` tells it from all others of its pipeline."""

    key: str
    reason: str
    message: str
    time: datetime
    is_warning: bool


def of_facts(report: Report, now: datetime) -> Iterator[Notice]:
    """Yield what a person is to hear of events, where it is news."""
    for fact in report.facts:
        message = _message(fact)
        if message and now - fact.time < NEWS:
            yield Notice(fact.id, fact.kind, message, fact.time, fact.is_refusal)


def of_spec(report: Report, generation: int, now: datetime) -> Notice:
    """Return what became of a generation of the spec."""
    reason = "SpecRefused" if report.refusal else "SpecAccepted"
    message = report.refusal or f"generation {generation} of the spec is in force"
    return Notice(f"{reason}/{generation}", reason, message, now, is_warning=bool(report.refusal))


def of_deletion(why: str, now: datetime) -> Notice:
    """Return that a deletion has to wait."""
    return Notice("DeletionHeldUp", "DeletionHeldUp", why, now, is_warning=True)


def probe(resource: Resource) -> Resource:
    """Return an event that is never kept: the answer to it says whether the namespace takes any."""
    return event_of(resource, Notice("probe", "Probe", "", datetime.now(UTC), is_warning=False))


def event_of(resource: Resource, notice: Notice) -> Resource:
    """Write a notice as the object that `kubectl describe` looks for."""
    metadata = resource["metadata"]
    digest = hashlib.sha256(f"{metadata['uid']}/{notice.key}".encode()).hexdigest()[:16]
    return {
        "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Pipeline",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if notice.is_warning else "Normal",
        "reason": notice.reason,
        "message": notice.message[:MESSAGE_CHARACTERS],
        "source": {"component": COMPONENT},
        "firstTimestamp": time_text(notice.time),
        "lastTimestamp": time_text(notice.time),
        "count": 1,
    }


def _message(fact: Fact) -> str:
    version = "a model" if fact.number is None else f"version {fact.number}"
    deployed = "answers requests" if fact.label == "stable" else f"is being released as {fact.label}"
    messages: dict[Kind, str] = {
        "DropQuarantined": f"{fact.text} ({fact.code})",
        "DatasetRejected": f"data of span {fact.number} was refused: {fact.text}",
        "ModelBlessed": f"{version} may serve: {fact.text}",
        "ModelRejected": f"{version} was rejected: {fact.text}",
        "ModelDeployed": f"{version} {deployed}",
        "ModelWithdrawn": f"{version} does not serve: {fact.text}",
    }
    return messages.get(fact.kind, "")
