"""Experiments in MLflow: a run per training, below it a run per trial and candidate.

What is recorded follows from the bucket alone, so a recording that was cut short is simply made again.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tidemill_contracts import layout
from tidemill_contracts.events import ModelBlessed
from tidemill_contracts.manifest import DatasetManifest
from tidemill_runtime.objects import ObjectNotFound
from tidemill_trainer import tracked
from tidemill_trainer.registry import MODEL_ID, Registry
from tidemill_trainer.statistics import refresh_statistics
from tidemill_trainer.tracked import PART, WHOLE, Run
from tidemill_trainer.trainings import Training, Trainings

PAGE = 1000
# One request carries at most 1000 metrics and parameters together, and 100 of these.
BATCH = 900
PARENT = "mlflow.parentRunId"
# So that MLflow's pages open as those of models, not of conversations.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
DONE = frozenset({"FINISHED", "FAILED"})
CARD_FILES = ("card.html", "card.json")


class Tracking:
    """Writes trainings to an MLflow server or database; every method may raise MlflowException."""

    def __init__(self, tracking_uri: str, trainings: Trainings) -> None:
        """Remember where; nothing is opened before the first recording."""
        self._uri = tracking_uri
        self._trainings = trainings

    def record(self, training: Training) -> None:
        """Write a training that has its verdict; runs and versions that are complete stay as they are."""
        verdict = self._trainings.verdict(training)
        if verdict is None:
            raise ValueError(f"expected a training with a verdict, {training.model_id} has none yet")
        manifest = self._trainings.manifest(training)
        ended = manifest.trained_at if manifest else training.accepted_at + timedelta(seconds=verdict.seconds)
        experiment = self._experiment(training.pipeline)
        known = self._known(experiment, training)
        whole = tracked.of_training(training, verdict, manifest, ended)
        recording = _Recording(self._client, self._trainings, training, experiment)
        run_id = known.get(WHOLE) or recording.begin(whole)
        for run in self._parts(training, ended):
            if run.part not in known:
                recording.write(recording.begin(run, parent=run_id), run)
        if not self._is_done(run_id):
            recording.write(run_id, whole)
        if isinstance(verdict, ModelBlessed):
            self._registry.add(training, verdict.version, run_id)
        refresh_statistics(self._uri)

    def align(self, pipeline: str) -> bool:
        """Set the registry's aliases; return whether they are not expected to move on."""
        return self._registry.align(pipeline)

    @cached_property
    def _client(self) -> Any:
        # Seconds to import, and more to create a database: not before there is something to record.
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        return MlflowClient(self._uri)

    @property
    def _registry(self) -> Registry:
        return Registry(self._client, self._trainings.store)

    def _experiment(self, pipeline: str) -> str:
        found = self._client.get_experiment_by_name(pipeline)
        if found is not None:
            return str(found.experiment_id)
        location = self._trainings.store.uri(f"tracking/{pipeline}")
        return str(self._client.create_experiment(pipeline, location, EXPERIMENT_TAGS))

    def _known(self, experiment: str, training: Training) -> dict[str, str]:
        """Return the run of each part that is recorded; a part that was begun and left is marked."""
        known: dict[str, str] = {}
        for run in self._runs(experiment, f"tags.`{MODEL_ID}` = '{training.model_id}'"):
            part = run.data.tags.get(PART, "")
            if run.info.status in DONE or part == WHOLE:
                known[part] = run.info.run_id
            elif run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")
        return known

    def _runs(self, experiment: str, wanted: str) -> Iterator[Any]:
        token: str | None = None
        while token != "":
            page = self._client.search_runs([experiment], wanted, max_results=PAGE, page_token=token)
            yield from page
            token = page.token or ""

    def _is_done(self, run_id: str) -> bool:
        return self._client.get_run(run_id).info.status in DONE

    def _parts(self, training: Training, ended: datetime) -> Iterator[Run]:
        for trial in self._trainings.trials(training):
            trial_ended = trial.started_at + timedelta(seconds=trial.seconds)
            yield tracked.of_trial(training, trial, trial_ended)
        for candidate in self._trainings.candidates(training):
            yield tracked.of_candidate(training, candidate, ended)


class _Recording:
    """The runs of one training."""

    def __init__(self, client: Any, trainings: Trainings, training: Training, experiment: str) -> None:
        self._client = client
        self._store = trainings.store
        self._training = training
        self._experiment = experiment
        self._environment = trainings.environment(training)
        self._dataset = self._read_dataset()

    def begin(self, run: Run, parent: str | None = None) -> str:
        """Create a run, that counts for nothing until it is written."""
        tags = {PART: run.part, **tracked.lineage(self._training, self._environment), **run.tags}
        if parent:
            tags[PARENT] = parent
        created = self._client.create_run(
            self._experiment, start_time=_milliseconds(run.began), tags=tags, run_name=run.name
        )
        return str(created.info.run_id)

    def write(self, run_id: str, run: Run) -> None:
        """Write everything of a run; ending it is the last."""
        from mlflow.entities import Param  # noqa: PLC0415

        params = [Param(name, str(value)) for name, value in run.params.items()]
        for batch in _batches(list(_metrics(run))):
            self._client.log_batch(run_id, metrics=batch, params=params)
            params = []
        if self._dataset is not None:
            self._client.log_inputs(run_id, datasets=[self._input(self._dataset)])
        if run.part == WHOLE:
            for name, content in self._documents():
                self._client.log_text(run_id, content.decode(), name)
        self._client.set_terminated(run_id, run.status, _milliseconds(run.ended))

    def _input(self, dataset: DatasetManifest) -> Any:
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        source = self._store.uri(layout.dataset(dataset.pipeline, dataset.dataset_id, "manifest.json"))
        counts = {"num_rows": dataset.rows_train, "num_rows_held_out": dataset.rows_eval}
        described = Dataset(
            name=f"{dataset.pipeline} {dataset.dataset}",
            digest=dataset.dataset_id,
            source_type="tidemill",
            source=json.dumps({"uri": source, "spans": dataset.spans}),
            profile=json.dumps(counts),
        )
        return DatasetInput(described, [InputTag("mlflow.data.context", "training")])

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        """Yield what is known of the whole, by file name: what there is of it."""
        pipeline, dataset_id = self._training.pipeline, self._training.dataset_id
        names = {file: layout.model_card(pipeline, self._training.model_id, file) for file in CARD_FILES}
        names["profile.json"] = layout.dataset(pipeline, dataset_id, "profile.json")
        for file, name in names.items():
            with suppress(ObjectNotFound):
                yield file, self._store.read(name)
        if self._dataset is not None:
            features = self._dataset.model_dump_json(include={"features", "crosses", "left_out"}, indent=1)
            yield "features.json", features.encode()
        if self._environment is not None:
            yield "environment.json", self._environment.model_dump_json(indent=1).encode()

    def _read_dataset(self) -> DatasetManifest | None:
        name = layout.dataset(self._training.pipeline, self._training.dataset_id, "manifest.json")
        try:
            return DatasetManifest.model_validate_json(self._store.read(name))
        except ObjectNotFound:
            return None


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _metrics(run: Run) -> Iterator[Any]:
    from mlflow.entities import Metric  # noqa: PLC0415

    ended_ms = _milliseconds(run.ended)
    for name, value in run.metrics.items():
        yield Metric(name, value, ended_ms, 0)
    for name, values in run.curves.items():
        for step, value in enumerate(values):
            yield Metric(name, value, ended_ms, step)


def _batches(metrics: list[Any]) -> Iterator[list[Any]]:
    """Divide metrics by what one request may carry; one batch at least, for the parameters."""
    yield metrics[:BATCH]
    for start in range(BATCH, len(metrics), BATCH):
        yield metrics[start : start + BATCH]
