"""Gathers what a card says from what is known of a training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import ColumnProfile, LabelProfile
from tidemill_runtime.figures import figure, share
from tidemill_trainer.card.checks import list_checks
from tidemill_trainer.card.content import (
    CandidateFacts,
    DataFacts,
    FeatureFacts,
    Lineage,
    ModelCard,
    SearchFacts,
)
from tidemill_trainer.card.limits import list_limits
from tidemill_trainer.champions import Champion
from tidemill_trainer.data import TrainingData
from tidemill_trainer.environment import describe_environment
from tidemill_trainer.judging.inside import shown_class
from tidemill_trainer.judging.verdict import Case
from tidemill_trainer.trainings import CODE_VERSION, Candidate, Training, Trial

TOLD_TEXTS = 3


@dataclass(frozen=True, kw_only=True)
class Told:
    """A training that came to its verdict.

    Args:
        training: The intent.
        manifest: The dataset version.
        spec: The pipeline's spec.
        data: What was learned from, and measured on.
        version: The model's number.
        candidates: Every finalist.
        case: What was found out about it.
        reasons: Those against it.
        champion: The model in office, if any.
        not_served: Why no model server was asked; empty when one was.
        restricted: Columns of which nothing may be shown.
        trials: Of the search.
        seconds: From the job's start to the verdict.
        at: The time of the verdict.
    """

    training: Training
    manifest: DatasetManifest
    spec: PipelineSpec
    data: TrainingData
    version: int
    candidates: Sequence[Candidate]
    case: Case
    reasons: tuple[Reason, ...]
    champion: Champion | None
    not_served: str
    restricted: frozenset[str]
    trials: Sequence[Trial]
    seconds: float
    at: datetime


def make_card(told: Told, family: str) -> ModelCard:
    """Return the card of a model, blessed or not, whose family was chosen."""
    case, objective = told.case, told.data.objective
    label = _shown_label(told)
    classes = tuple(name for name, _ in label.classes) if objective.classes else ()
    best = case.findings.best_threshold if case.findings else None
    card = ModelCard(
        pipeline=told.training.pipeline,
        version=told.version,
        model_id=told.training.model_id,
        task=objective.task,
        classes=classes,
        family=family,
        decides=objective.metric,
        blessed=not told.reasons,
        reasons=told.reasons,
        checks=list_checks(case, told.spec.blessing, told.reasons, told.not_served),
        champion=case.incumbent.version if case.incumbent else None,
        blessing=told.spec.blessing,
        findings=case.findings,
        served=case.served,
        not_served=told.not_served,
        size_bytes=case.size_bytes,
        decision_threshold=best.threshold if best else None,
        positive=classes[shown_class(objective)] if classes else "",
        data=_data(told, label),
        search=SearchFacts(
            budget=told.spec.training.budget,
            seconds=told.seconds,
            trials=tuple(told.trials),
            candidates=tuple(_candidate(each) for each in told.candidates),
        ),
        limits=(),
        lineage=_lineage(told),
    )
    return card.model_copy(update={"limits": list_limits(card)})


def _candidate(candidate: Candidate) -> CandidateFacts:
    return CandidateFacts.model_validate(
        candidate.model_dump(include={"family", "score", "metrics", "params", "seconds", "defects"})
    )


def _shown_label(told: Told) -> LabelProfile:
    """Return the label's profile; classes that are values of restricted columns are numbered."""
    label = told.data.profile.label
    if label.task != "multiclass" or not any(name in told.spec.label for name in told.restricted):
        return label
    numbered = ((f"class {number}", rows) for number, (_, rows) in enumerate(label.classes, start=1))
    return label.model_copy(update={"classes": tuple(numbered)})


def _data(told: Told, label: LabelProfile) -> DataFacts:
    manifest, data = told.manifest, told.data
    columns: Mapping[str, ColumnProfile] = {column.name: column for column in data.profile.columns}
    return DataFacts(
        **manifest.model_dump(
            include={
                *("dataset", "dataset_id", "spans", "rows_train", "rows_eval", "rows_unlabelled"),
                *("rows_rejected", "weighted", "crosses"),
            }
        ),
        rows_learned=len(data.train),
        rows_measured=len(data.held_out),
        class_weights=_class_weights(told, label),
        split=_split(told),
        is_grouped=bool(told.spec.split.group_by),
        label=label,
        features=tuple(
            FeatureFacts(
                name=feature.name,
                kind=feature.kind,
                missing_share=columns[feature.name].nulls / max(1, columns[feature.name].rows),
                summary=_summary(columns[feature.name]),
            )
            for feature in manifest.features
        ),
        left_out=tuple(each for each in manifest.left_out if each.name not in told.restricted),
        restricted=len(told.restricted),
        anomalies=tuple(_warnings(told)),
    )


def _class_weights(told: Told, label: LabelProfile) -> tuple[tuple[str, float], ...]:
    names = (name for name, _ in label.classes)
    return tuple(zip(names, told.data.objective.class_weights, strict=False))


def _warnings(told: Told) -> Iterator[Reason]:
    for anomaly in told.manifest.anomalies:
        if anomaly.severity == "warn" and anomaly.column not in told.restricted:
            yield Reason(code=anomaly.type, message=anomaly.message)


def _split(told: Told) -> str:
    split = told.spec.split
    if split.time is not None:
        since = told.manifest.held_out_from
        return f"by time: held out is what is newest by {split.time}" + (
            f", from {since} on" if since else ""
        )
    if split.group_by:
        shown = [name for name in split.group_by if name not in told.restricted]
        return f"by groups of {', '.join(shown) or 'restricted columns'}, which are never divided"
    return f"{share(split.eval_share)} of the rows are held out, by a hash of each row"


def _summary(column: ColumnProfile) -> str:
    numeric, texts = column.numeric, column.categorical
    if texts is not None and column.type == "string":
        known = column.rows - column.nulls
        told = (f"{text or '(empty)'} {share(times, known)}" for text, times in texts.vocabulary[:TOLD_TEXTS])
        return f"about {column.distinct_estimate:,.0f} distinct: " + ", ".join(told)
    if numeric is None:
        return ""
    if column.type == "bool":
        return f"true {share(numeric.mean)}"
    least, greatest = figure(numeric.minimum, column.type), figure(numeric.maximum, column.type)
    if column.type == "timestamp":
        return f"{least} to {greatest}"
    return f"{least} to {greatest}, mean {figure(numeric.mean)}, std {figure(numeric.stddev)}"


def _lineage(told: Told) -> Lineage:
    training, manifest = told.training, told.manifest
    return Lineage(
        spec_digest=training.spec_digest,
        dataset_id=training.dataset_id,
        span_ids=manifest.span_ids,
        seed=told.spec.training.seed,
        environment=describe_environment(CODE_VERSION),
        correlation_id=training.correlation_id,
        accepted_at=training.accepted_at,
        trained_at=told.at,
    )
