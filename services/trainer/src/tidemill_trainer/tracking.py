"""Experiments in MLflow: a run per candidate, a registered version per blessed model.

What is recorded follows from the bucket alone, so a recording that was cut short is simply made again.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from tidemill_contracts import layout
from tidemill_contracts.events import ModelRejected, Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_trainer.champions import find_champion
from tidemill_trainer.trainings import Candidate, Training, Trainings

CHAMPION = "champion"
MODEL_ID = "tidemill.model_id"
FAMILY = "tidemill.family"
VERSION = "tidemill.version"


class Tracking:
    """Writes trainings to an MLflow server or database; every method may raise MlflowException."""

    def __init__(self, tracking_uri: str, trainings: Trainings) -> None:
        """Remember where; nothing is opened before the first recording."""
        self._uri = tracking_uri
        self._trainings = trainings

    def record(self, training: Training) -> None:
        """Write a training that has its verdict; runs and versions that are complete stay as they are."""
        experiment = self._experiment(training.pipeline)
        manifest = self._trainings.manifest(training)
        if manifest is None:
            self._record_failure(experiment, training)
            return
        for _, candidate in self._trainings.candidates(training):
            if not self._is_recorded(experiment, training, candidate.family):
                self._record_candidate(experiment, training, candidate, manifest)
        if manifest.blessed:
            self._register(experiment, training, manifest)

    @cached_property
    def _client(self) -> Any:
        # Seconds to import, and more to create a database: not before there is something to record.
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        return MlflowClient(self._uri)

    def _experiment(self, pipeline: str) -> str:
        found = self._client.get_experiment_by_name(pipeline)
        if found is not None:
            return str(found.experiment_id)
        location = self._trainings.store.uri(f"tracking/{pipeline}")
        return str(self._client.create_experiment(pipeline, artifact_location=location))

    def _runs(self, experiment: str, training: Training, family: str) -> list[Any]:
        wanted = f"tags.`{MODEL_ID}` = '{training.model_id}' and tags.`{FAMILY}` = '{family}'"
        return list(self._client.search_runs([experiment], wanted))

    def _is_recorded(self, experiment: str, training: Training, family: str) -> bool:
        runs = self._runs(experiment, training, family)
        for run in runs:
            if run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")
        return any(run.info.status in {"FINISHED", "FAILED"} for run in runs)

    def _record_candidate(
        self, experiment: str, training: Training, candidate: Candidate, manifest: ModelManifest
    ) -> None:
        run_id = self._create_run(experiment, training, candidate.family, manifest)
        end_ms = _milliseconds(manifest)
        self._client.log_batch(
            run_id, metrics=list(_metrics(candidate, end_ms)), params=list(_params(candidate, training))
        )
        self._client.log_dict(run_id, candidate.metrics, "metrics.json")
        profile = layout.dataset(training.pipeline, training.dataset_id, "profile.json")
        self._client.log_text(run_id, self._trainings.store.read(profile).decode(), "profile.json")
        self._client.set_terminated(run_id, "FINISHED", end_ms)

    def _create_run(
        self, experiment: str, training: Training, family: str, manifest: ModelManifest | None
    ) -> str:
        tags = {
            MODEL_ID: training.model_id,
            FAMILY: family,
            "tidemill.correlation_id": training.correlation_id,
        }
        if manifest is not None and manifest.family == family:
            verdict = "blessed" if manifest.blessed else "rejected"
            tags |= {
                VERSION: str(manifest.version),
                "tidemill.verdict": verdict,
                "tidemill.reasons": _messages(manifest.reasons),
            }
        run = self._client.create_run(
            experiment,
            start_time=int(training.accepted_at.timestamp() * 1000),
            tags=tags,
            run_name=f"{training.dataset}-{family}",
        )
        return str(run.info.run_id)

    def _record_failure(self, experiment: str, training: Training) -> None:
        if not self._is_recorded(experiment, training, "none"):
            run_id = self._create_run(experiment, training, "none", None)
            verdict = self._trainings.verdict(training)
            reasons = verdict.reasons if isinstance(verdict, ModelRejected) else ()
            self._client.set_tag(run_id, "tidemill.reasons", _messages(reasons))
            self._client.set_terminated(run_id, "FAILED")

    def _register(self, experiment: str, training: Training, manifest: ModelManifest) -> None:
        name = training.pipeline
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        version = self._registered_version(experiment, training, manifest)
        champion = find_champion(self._trainings.store, name)
        if champion is not None and champion.model_id == manifest.model_id:
            self._client.set_registered_model_alias(name, CHAMPION, version)

    def _registered_version(self, experiment: str, training: Training, manifest: ModelManifest) -> str:
        name = training.pipeline
        runs = self._runs(experiment, training, manifest.family)
        run_id = next(run.info.run_id for run in runs if run.info.status == "FINISHED")
        for registered in self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
            return str(registered.version)
        source = self._trainings.store.uri(layout.model_version(name, manifest.version))
        tags = {VERSION: str(manifest.version), MODEL_ID: training.model_id}
        return str(self._client.create_model_version(name, source, run_id, tags=tags).version)


def _messages(reasons: Iterable[Reason]) -> str:
    return "; ".join(reason.message for reason in reasons)


def _milliseconds(manifest: ModelManifest) -> int:
    return int(manifest.trained_at.timestamp() * 1000)


def _metrics(candidate: Candidate, time_ms: int) -> Iterator[Any]:
    from mlflow.entities import Metric  # noqa: PLC0415

    for name, value in candidate.metrics.items():
        yield Metric(name, value, time_ms, 0)
    yield Metric("training_seconds", candidate.seconds, time_ms, 0)
    for name, values in candidate.curves.items():
        for step, value in enumerate(values):
            yield Metric(name, value, time_ms, step)


def _params(candidate: Candidate, training: Training) -> Iterator[Any]:
    from mlflow.entities import Param  # noqa: PLC0415

    facts = training.model_dump(include={"dataset", "dataset_id", "spec_digest"})
    for name, value in {**facts, **candidate.params}.items():
        yield Param(name, str(value))
