"""Events in words: which stage spoke, what it said, and whether that was good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    CandidateTrained,
    DatasetIngested,
    DatasetRejected,
    DatasetTransformed,
    DropDeduplicated,
    DropQuarantined,
    FeedbackReceived,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
    ModelSuperseded,
    ModelWithdrawn,
    PipelineDeleted,
    PredictionLogged,
    Reason,
    ReleaseStepped,
    RetrainRequested,
    TrialFinished,
)
from tidemill_contracts.training_spec import Metric

# Of a binary task, of several classes, of numbers, of quantiles.
HEADLINE: tuple[Metric, ...] = ("roc_auc", "log_loss", "accuracy", "rmse", "mae", "r2", "pinball_loss")


class Outcome(StrEnum):
    """What an event means for the drop that caused it."""

    GOES_ON = "goes on"
    SERVED = "served"
    NOTHING_NEW = "nothing new"
    REFUSED = "refused"

    @property
    def is_end(self) -> bool:
        return self is not Outcome.GOES_ON


@dataclass(frozen=True)
class Line:
    """One event, told. `seconds` is the work itself, without waiting for it."""

    stage: str
    text: str
    seconds: float
    outcome: Outcome = Outcome.GOES_ON


def tell(data: EventData) -> Line:
    """Put an event into words."""
    match data:
        case DropQuarantined() | DropDeduplicated() | DatasetIngested():
            return _of_ingest(data)
        case RetrainRequested() | DatasetTransformed() | DatasetRejected():
            return _of_transform(data)
        case TrialFinished() | CandidateTrained() | ModelSuperseded():
            return _of_training(data)
        case ModelBlessed() | ModelRejected():
            return _of_verdict(data)
        case ModelDeployed() | ReleaseStepped() | ModelWithdrawn() | PipelineDeleted():
            return _of_serving(data)
        case PredictionLogged() | FeedbackReceived():
            return _of_recording(data)
    raise TypeError(f"expected one of Tidemill's events, received {type(data).__name__}")


def headline(metrics: Mapping[str, float]) -> dict[str, str]:
    """Write the metrics that people know models by; others are for the model's card."""
    return {name: f"{metrics[name]:.4f}" for name in HEADLINE if name in metrics}


def trial_text(data: TrialFinished) -> str:
    """Write what a trial reached, and the best so far."""
    score = data.state if data.score is None else f"{data.metric} {data.score:.4f}"
    best = "" if data.best is None else f", best {data.best:.4f}"
    return f"trial {data.trial}, {data.family}: {score}{best}"


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, 4:05."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"


def _of_ingest(data: DropQuarantined | DropDeduplicated | DatasetIngested) -> Line:
    match data:
        case DatasetIngested():
            text = f"span {data.span}: {data.rows:,} rows, {data.columns} columns"
            text += f", {data.rows_rejected:,} rejected"
            changes = (f"{change.change} {change.column}" for change in data.changes)
            text += f"; {', '.join(changes)}" if data.changes else ""
            return Line("ingest", text, data.seconds)
        case DropDeduplicated():
            text = f"same content as span {data.span}: nothing to do"
            return Line("ingest", text, data.seconds, Outcome.NOTHING_NEW)
        case DropQuarantined():
            text = f"quarantined: {_reasons([data.reason])}"
            return Line("ingest", text, data.seconds, Outcome.REFUSED)


def _of_transform(data: RetrainRequested | DatasetTransformed | DatasetRejected) -> Line:
    if isinstance(data, RetrainRequested):
        up_to = "the newest span" if data.span is None else f"span {data.span}"
        return Line("retrain", f"a new model of {data.pipeline} is asked for, of data up to {up_to}", 0)
    if isinstance(data, DatasetRejected):
        text = f"data of span {data.span} refused: {_reasons(data.reasons)}"
        return Line("transform", text, data.seconds, Outcome.REFUSED)
    rows = f"{data.rows_train:,} rows to train, {data.rows_eval:,} to evaluate"
    text = f"dataset {data.dataset}: {rows}, {data.rows_unlabelled:,} without label"
    text += f", {data.rows_rejected:,} rejected" if data.rows_rejected else ""
    text += f"; look at {', '.join(reason.code for reason in data.warnings)}" if data.warnings else ""
    return Line("transform", text, data.seconds)


def _of_training(data: TrialFinished | CandidateTrained | ModelSuperseded) -> Line:
    match data:
        case TrialFinished():
            left = "" if data.seconds_left is None else f", {clock(data.seconds_left)} left"
            return Line("train", f"{trial_text(data)}{left}", data.seconds)
        case CandidateTrained():
            text = ", ".join(f"{name} {value}" for name, value in headline(data.metrics).items())
            return Line("train", f"{data.family}: {text}", data.seconds)
        case ModelSuperseded():
            text = f"dataset {data.dataset} is not trained on: dataset {data.by_dataset} is newer"
            return Line("train", text, data.seconds, Outcome.NOTHING_NEW)


def _of_serving(data: ModelDeployed | ReleaseStepped | ModelWithdrawn | PipelineDeleted) -> Line:
    match data:
        case PipelineDeleted():
            return Line("delete", "specified no longer: its model answers no more", 0)
        case ModelDeployed():
            return Line("deploy", _deployed(data), data.seconds, Outcome.SERVED)
        case ReleaseStepped():
            text = f"version {data.version} answers {_percent(data.share)} of requests, step {data.step + 1}"
            return Line("deploy", text, data.seconds)
        case ModelWithdrawn():
            text = f"version {data.version} withdrawn: {_reasons([data.reason])}"
            if data.answers or data.failures:
                text += f"; it answered {data.answers:,} requests and failed {data.failures:,}"
            return Line("deploy", text, data.seconds, Outcome.REFUSED)


def _of_recording(data: PredictionLogged | FeedbackReceived) -> Line:
    stage = "log" if isinstance(data, PredictionLogged) else "feedback"
    return Line(stage, f"{data.rows:,} predictions of {data.pipeline}", data.seconds)


def _deployed(data: ModelDeployed) -> str:
    if data.label == "stable":
        replaced = f", in place of version {data.replaces}" if data.replaces else ""
        return f"version {data.version} answers requests{replaced}"
    how = (
        f"is asked in the shadow of version {data.replaces}"
        if data.label == "shadow"
        else f"answers {_percent(data.share)} of requests beside version {data.replaces}, {data.label}"
    )
    return f"version {data.version} {how}; how it does: tidemill release {data.pipeline}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _of_verdict(data: ModelBlessed | ModelRejected) -> Line:
    if isinstance(data, ModelRejected):
        what = f"version {data.version}, {data.family}" if data.version else "no model"
        return Line("verdict", f"{what}, rejected: {_reasons(data.reasons)}", data.seconds, Outcome.REFUSED)
    against = f"holds against version {data.champion}" if data.champion else "the first of its pipeline"
    return Line("verdict", f"version {data.version}, {data.family}, blessed: {against}", data.seconds)


def _reasons(reasons: Sequence[Reason]) -> str:
    return "; ".join(f"{reason.code}: {reason.message}" for reason in reasons)
