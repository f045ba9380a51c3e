"""The status of a Pipeline resource: what `kubectl get` and `describe` show, from what is known of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tidemill_controller.declarations import Report
from tidemill_controller.summary import Summary, summarise

# The schema's longest texts.
MESSAGE_CHARACTERS = 32_768
METRIC_CHARACTERS = 200

Status = dict[str, Any]


def status_of(report: Report, generation: int, before: Mapping[str, Any], now: datetime) -> Status:
    """Return a status; a condition keeps the time since when it is so. What there is not is None."""
    summary = summarise(report.facts)
    then = _conditions_of(before)
    conditions = [
        {**condition, "observedGeneration": generation, **_since(condition, then, now)}
        for condition in _conditions(report, summary)
    ]
    problem = report.refusal or (summary.problem.text if summary.problem else "")
    return {
        "observedGeneration": generation,
        "stage": summary.stage,
        "lastData": time_text(summary.last_data),
        "spans": summary.spans,
        "dataset": summary.dataset,
        "champion": summary.champion,
        "candidate": summary.candidate,
        "metric": summary.metric[:METRIC_CHARACTERS],
        "nextRetraining": time_text(report.next_retraining),
        "message": problem[:MESSAGE_CHARACTERS],
        "conditions": conditions,
    }


def shown(status: Mapping[str, Any]) -> Status:
    """Return what of a status there is to be seen."""
    return {name: value for name, value in status.items() if value is not None}


def held_up(why: str, before: Mapping[str, Any], now: datetime) -> Status:
    """Return what a status becomes when a deletion cannot be done yet."""
    message = f"the deletion goes on as soon as possible: {why}"[:MESSAGE_CHARACTERS]
    accepted = {"type": "Accepted", "status": "False", "reason": "DeletionHeldUp", "message": message}
    then = _conditions_of(before)
    conditions = {**then, "Accepted": {**accepted, **_since(accepted, then, now)}}
    return {**before, "message": message, "conditions": list(conditions.values())}


def utc_now() -> datetime:
    """Return the time that conditions go by."""
    return datetime.now(UTC)


def time_text(time: datetime | None) -> str | None:
    """Write a time as Kubernetes does."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if time else None


def _conditions(report: Report, summary: Summary) -> Iterator[Status]:
    refused, bad, champion = report.refusal, summary.bad_data, summary.champion
    if refused:
        yield _condition("Accepted", "False", "InvalidSpec", refused)
    else:
        yield _condition("Accepted", "True", "SpecAccepted", "")
    if bad is not None:
        yield _condition("DataHealthy", "False", bad.code or bad.kind, bad.text)
    elif summary.has_data:
        yield _condition("DataHealthy", "True", "DataAccepted", "")
    else:
        yield _condition("DataHealthy", "Unknown", "NoData", "no file was dropped yet")
    if champion is None:
        yield _condition("Ready", "False", "NothingServes", "no version answers yet")
    else:
        yield _condition("Ready", "True", "Serving", f"version {champion} answers")


def _condition(kind: str, status: str, reason: str, message: str) -> Status:
    return {"type": kind, "status": status, "reason": reason, "message": message[:MESSAGE_CHARACTERS]}


def _conditions_of(status: Mapping[str, Any]) -> dict[str, Status]:
    return {condition["type"]: condition for condition in status.get("conditions", ())}


def _since(condition: Status, then: Mapping[str, Status], now: datetime) -> Status:
    """Keep the time since when a condition is so."""
    before = then.get(condition["type"], {})
    stays = before.get("status") == condition["status"]
    return {"lastTransitionTime": before.get("lastTransitionTime") if stays else time_text(now)}
