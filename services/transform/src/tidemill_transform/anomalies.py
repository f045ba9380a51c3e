"""What an anomaly does to a dataset version: the usual, unless its pipeline says otherwise."""

from collections.abc import Iterable, Iterator, Mapping

from tidemill_contracts.anomaly import Anomaly, AnomalyType, Comparison, Severity
from tidemill_contracts.events import Reason

# What a person wrote of the data holds; what earlier data was like, or the other side is, only may.
USUAL: Mapping[Comparison, Severity] = {"schema": "block", "drift": "warn", "skew": "warn"}
# A column that must be there has the rule `required`; an infinite number counts as missing.
UNUSUAL: Mapping[tuple[AnomalyType, Comparison], Severity] = {
    ("SCHEMA_MISSING_COLUMN", "schema"): "warn",
    ("FLOAT_TYPE_HAS_INF", "schema"): "warn",
}
# Of values in a message.
TOLD_VALUES = 5
TOLD_CHARACTERS = 40
ORDER: tuple[Severity, ...] = ("block", "warn", "ignore")


def found(
    kind: AnomalyType,
    column: str | None,
    message: str,
    against: Comparison = "schema",
    measured: float | None = None,
    limit: float | None = None,
) -> Anomaly:
    """Return an anomaly that does what is usual."""
    severity = UNUSUAL.get((kind, against), USUAL[against])
    return Anomaly(
        type=kind,
        column=column,
        severity=severity,
        message=message,
        against=against,
        measured=measured,
        limit=limit,
    )


def settled(anomalies: Iterable[Anomaly], severities: Mapping[AnomalyType, Severity]) -> Iterator[Anomaly]:
    """Yield each finding about a column once, as severe as the pipeline wants it, the most severe first."""
    once = {(anomaly.type, anomaly.column, anomaly.against): anomaly for anomaly in reversed([*anomalies])}
    changed = (
        anomaly.model_copy(update={"severity": severities.get(anomaly.type, anomaly.severity)})
        for anomaly in reversed(once.values())
    )
    told = (anomaly for anomaly in changed if anomaly.severity != "ignore")
    yield from sorted(told, key=lambda anomaly: ORDER.index(anomaly.severity))


def blocking(anomalies: Iterable[Anomaly]) -> tuple[Reason, ...]:
    """Return the reasons why a dataset version is refused; none when nothing blocks it."""
    return tuple(
        Reason(code=anomaly.type, message=anomaly.message)
        for anomaly in anomalies
        if anomaly.severity == "block"
    )
