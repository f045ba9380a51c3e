"""What MLflow is told of a training: its runs, as plain values. Pure.

A training is a run, and below it lie a run per trial of the search and a run per candidate: a family's best,
measured on the rows held out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tidemill_contracts.events import ModelBlessed, Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_trainer.environment import Environment
from tidemill_trainer.registry import MODEL_ID, VERSION
from tidemill_trainer.trainings import Candidate, Training, Trial, Verdict

# What a run stands for, by which a recording that is made again finds it.
PART = "tidemill.part"
WHOLE = "training"
FAMILY = "tidemill.family"
Params = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `curves` maps a series to its value per step."""

    part: str
    name: str
    began: datetime
    ended: datetime
    status: Literal["FINISHED", "FAILED"] = "FINISHED"
    params: Params = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def of_training(training: Training, verdict: Verdict, manifest: ModelManifest | None, ended: datetime) -> Run:
    """Describe the whole, by how it ended."""
    outcome = "blessed" if isinstance(verdict, ModelBlessed) else "rejected"
    reasons = () if isinstance(verdict, ModelBlessed) else verdict.reasons
    measured = (manifest.champion_metrics if manifest else None) or {}
    champion = {f"champion_{name}": value for name, value in measured.items()}
    facts = {
        VERSION: verdict.version,
        FAMILY: verdict.family,
        "tidemill.champion": verdict.champion,
    }
    return Run(
        part=WHOLE,
        name=f"dataset {training.dataset}",
        began=training.accepted_at,
        ended=ended,
        status="FINISHED" if manifest else "FAILED",
        params=training.model_dump(include={"dataset", "dataset_id", "newest_span", "spec_digest"}),
        metrics={**verdict.metrics, **champion, "seconds": verdict.seconds},
        tags={
            **{name: str(value) for name, value in facts.items() if value is not None},
            "tidemill.verdict": outcome,
            "tidemill.reasons": messages(reasons),
            "mlflow.note.content": _note(training, verdict, outcome, reasons),
        },
    )


def of_candidate(training: Training, candidate: Candidate, ended: datetime) -> Run:
    """Describe a family's best."""
    return Run(
        part=f"candidates/{candidate.family}",
        name=f"{training.dataset}-{candidate.family}",
        began=training.accepted_at,
        ended=ended,
        params=candidate.params,
        metrics={**candidate.metrics, "training_seconds": candidate.seconds},
        curves=candidate.curves,
        tags={FAMILY: candidate.family, "tidemill.defects": messages(candidate.defects)},
    )


def of_trial(training: Training, trial: Trial, ended: datetime) -> Run:
    """Describe an attempt of the search."""
    scores = {trial.metric or "score": trial.score, "loss": trial.loss, "training_seconds": trial.seconds}
    return Run(
        part=f"trials/{trial.number:04}",
        name=f"{training.dataset}-trial-{trial.number}",
        began=trial.started_at,
        ended=ended,
        status="FAILED" if trial.state == "failed" else "FINISHED",
        params={**trial.params, **({"left_out": ", ".join(trial.left_out)} if trial.left_out else {})},
        metrics={name: value for name, value in scores.items() if value is not None},
        curves=trial.curves,
        tags={
            FAMILY: trial.family,
            "tidemill.state": trial.state,
            "tidemill.origin": trial.origin,
            **({"tidemill.message": trial.message} if trial.message else {}),
        },
    )


def lineage(training: Training, environment: Environment | None) -> dict[str, str]:
    """Return the tags of every run: which model it belongs to, what caused it, and what code made it."""
    tags = {MODEL_ID: training.model_id, "tidemill.correlation_id": training.correlation_id}
    if environment is None:
        return tags
    return tags | {
        "tidemill.code": f"{environment.tidemill}-{environment.code_version}",
        "tidemill.python": environment.python,
        "tidemill.platform": environment.platform,
        "mlflow.source.name": "tidemill_trainer.job",
        "mlflow.source.type": "JOB",
    }


def messages(reasons: tuple[Reason, ...]) -> str:
    """Write reasons as one text."""
    return "; ".join(reason.message for reason in reasons)


def _note(training: Training, verdict: Verdict, outcome: str, reasons: tuple[Reason, ...]) -> str:
    version = f"version {verdict.version}, {verdict.family}" if verdict.version else "no model"
    lines = [f"**{version}: {outcome}**, of dataset {training.dataset} up to span {training.newest_span}"]
    return "\n".join([*lines, "", *(f"- {reason.code}: {reason.message}" for reason in reasons)])
