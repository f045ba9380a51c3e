"""Rules of tracking: MLflow gets every candidate once, its champion is ours, and no verdict waits for it."""

import json
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from trainer_world import a_training, commit_model, dataset_manifest

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.environment import Environment
from tidemill_trainer.recorder import Recorder
from tidemill_trainer.tracking import Tracking
from tidemill_trainer.trainings import RECORDED, TOLD, Candidate, Training, Trainings, Trial

ENVIRONMENT = Environment(tidemill="1.2.3", code_version="4", python="3.11", platform="here", packages={})


class World:
    """A bucket with trainings that ended, and an MLflow database."""

    def __init__(self, folder: Path, tracking_uri: str) -> None:
        self.store = FolderStore(folder)
        self.trainings = Trainings(self.store)
        self.tracking = Tracking(tracking_uri, self.trainings)
        self.client: Any = MlflowClient(tracking_uri)
        self.database = tracking_uri.removeprefix("sqlite:///")

    def end_training(self, dataset: int, **verdict: Any) -> Training:
        training = self.trainings.accept(a_training(dataset))
        profile = layout.dataset(training.pipeline, training.dataset_id, "profile.json")
        self.store.write(profile, b'{"rows": 7}')
        self.store.write(layout.model_card(training.pipeline, training.model_id, "card.html"), b"<p>")
        self.store.create(
            layout.dataset(training.pipeline, training.dataset_id, "manifest.json"),
            dataset_manifest(training, 8, 2, "binary").model_dump_json().encode(),
        )
        self.trainings.add_environment(training, ENVIRONMENT)
        for family, roc_auc in (("deep", 0.75), ("boosted-trees", 0.7)):
            candidate = Candidate(
                family=family,
                metrics={"roc_auc": roc_auc},
                params={"epochs": 2},
                curves={"train_loss": (0.6, 0.5)},
                defects=(),
                seconds=3,
            )
            self.trainings.add_candidate(training, candidate)
        self.trainings.add_trial(training, a_trial(0, "finished", score=0.7))
        self.trainings.add_trial(training, a_trial(1, "pruned"))
        self.trainings.add_trial(training, a_trial(2, "failed", message="out of memory"))
        commit_model(self.store, training, **verdict)
        return training

    def runs(self) -> dict[str, Any]:
        """Runs by name."""
        experiment = self.client.get_experiment_by_name("flights")
        return {run.info.run_name: run for run in self.client.search_runs([experiment.experiment_id])}

    def alias(self, name: str) -> str | None:
        aliases = self.client.get_registered_model("flights").aliases
        if name not in aliases:
            return None
        return str(self.client.get_model_version_by_alias("flights", name).tags["tidemill.version"])

    def deploy(self, **state: Any) -> None:
        self.store.write(layout.deployment("flights"), json.dumps({"pipeline": "flights", **state}).encode())


def a_trial(number: int, state: Any, *, score: float | None = None, message: str = "") -> Trial:
    return Trial(
        number=number,
        family="deep",
        origin="search",
        params={"width": 64},
        state=state,
        score=score,
        metric="roc_auc",
        seconds=2,
        curves={"check_loss": (0.4, 0.3)},
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        message=message,
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables; to make them takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "new.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def world(tmp_path: Path, database: Path) -> World:
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(database.read_bytes())
    return World(tmp_path / "bucket", f"sqlite:///{copy}")


def test_a_training_is_a_run_with_everything_that_is_known_of_it(world: World) -> None:
    training = world.end_training(1)

    world.tracking.record(training)

    whole = world.runs()["dataset 1"]
    assert whole.info.status == "FINISHED"
    assert whole.data.metrics == {"roc_auc": 0.75, "seconds": 0}
    assert whole.data.params == {
        "dataset": "1",
        "dataset_id": training.dataset_id,
        "newest_span": "1",
        "spec_digest": training.spec_digest,
    }
    tags = {name.removeprefix("tidemill."): value for name, value in whole.data.tags.items()}
    assert (tags["verdict"], tags["version"], tags["family"]) == ("blessed", "1", "deep")
    assert (tags["code"], tags["python"]) == ("1.2.3-4", "3.11")
    assert tags["correlation_id"] == training.correlation_id
    [used] = whole.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("flights 1", training.dataset_id)
    kept = world.store.list(f"tracking/flights/{whole.info.run_id}/")
    assert sorted(name.rpartition("/")[2] for name in kept) == [
        "card.html",
        "environment.json",
        "features.json",
        "profile.json",
    ]


def test_every_trial_and_candidate_is_a_run_below_it(world: World) -> None:
    training = world.end_training(1)

    world.tracking.record(training)

    runs = world.runs()
    whole = runs.pop("dataset 1")
    assert sorted(runs) == ["1-boosted-trees", "1-deep", "1-trial-0", "1-trial-1", "1-trial-2"]
    for run in runs.values():
        assert run.data.tags["mlflow.parentRunId"] == whole.info.run_id
        assert run.data.tags["tidemill.model_id"] == training.model_id
        assert run.data.tags["tidemill.code"] == "1.2.3-4"
        assert run.inputs.dataset_inputs[0].dataset.digest == training.dataset_id
    deep, trial = runs["1-deep"], runs["1-trial-0"]
    assert deep.data.metrics == {"roc_auc": 0.75, "train_loss": 0.5, "training_seconds": 3}
    assert deep.data.params == {"epochs": "2"}
    assert trial.data.metrics == {"roc_auc": 0.7, "check_loss": 0.3, "training_seconds": 2}
    assert trial.data.params == {"width": "64"}
    history = world.client.get_metric_history(deep.info.run_id, "train_loss")
    assert [metric.value for metric in history] == [0.6, 0.5]


def test_a_trial_has_the_state_in_which_it_ended(world: World) -> None:
    world.tracking.record(world.end_training(1))

    runs = world.runs()
    states = [(runs[f"1-trial-{n}"].info.status, runs[f"1-trial-{n}"].data.tags) for n in range(3)]
    assert [(status, tags["tidemill.state"]) for status, tags in states] == [
        ("FINISHED", "finished"),
        ("FINISHED", "pruned"),
        ("FAILED", "failed"),
    ]
    assert states[2][1]["tidemill.message"] == "out of memory"


def test_more_metrics_than_one_request_carries_are_all_kept(world: World) -> None:
    training = world.trainings.accept(a_training())
    steps = tuple(float(step) for step in range(2_500))
    candidate = Candidate(family="deep", metrics={}, params={}, curves={"loss": steps}, defects=(), seconds=3)
    world.trainings.add_candidate(training, candidate)
    commit_model(world.store, training)

    world.tracking.record(training)

    history = world.client.get_metric_history(world.runs()["1-deep"].info.run_id, "loss")
    assert len(history) == 2_500


def test_the_champion_is_what_serves_and_the_challenger_the_newest_that_is_to(world: World) -> None:
    rejected = {"blessed": False, "reasons": (Reason(code="below-threshold", message="too low"),)}
    trainings = [world.end_training(1), world.end_training(2), world.end_training(3, **rejected)]
    for training in reversed(trainings):
        world.tracking.record(training)
    seen = []
    for state in (
        {},
        {"stable": {"version": 1, "model_id": "m"}},
        {"stable": {"version": 2, "model_id": "m"}},
        {"stable": {"version": 1, "model_id": "m"}, "withdrawn": {"2": {"code": "c", "message": "m"}}},
    ):
        world.deploy(**state)
        settled = world.tracking.align("flights")
        seen.append((world.alias("champion"), world.alias("challenger"), settled))

    assert seen == [(None, "2", False), ("1", "2", False), ("2", None, True), ("1", None, True)]
    versions = world.client.search_model_versions("name = 'flights'")
    assert {version.tags["tidemill.version"] for version in versions} == {"1", "2"}
    whole = world.runs()["dataset 3"].data.tags
    assert (whole["tidemill.verdict"], whole["tidemill.reasons"]) == ("rejected", "too low")


def test_a_pipeline_without_a_model_has_no_aliases_to_set(world: World) -> None:
    assert world.tracking.align("flights")


def test_a_recording_that_was_cut_short_is_made_again_and_what_it_left_is_marked(world: World) -> None:
    training = world.end_training(1)
    experiment = world.client.create_experiment(
        "flights", artifact_location=str(world.store.uri("tracking/flights"))
    )
    tags = {"tidemill.model_id": training.model_id}
    begun = {
        part: world.client.create_run(experiment, run_name=part, tags={**tags, "tidemill.part": part})
        for part in ("training", "candidates/deep")
    }

    for _ in range(2):
        world.tracking.record(training)

    runs = world.runs()
    assert runs.pop("candidates/deep").info.status == "KILLED"
    whole = runs.pop("training")
    assert (whole.info.run_id, whole.info.status) == (begun["training"].info.run_id, "FINISHED")
    assert sorted(runs) == ["1-boosted-trees", "1-deep", "1-trial-0", "1-trial-1", "1-trial-2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {whole.info.run_id}
    assert len(world.client.search_model_versions("name = 'flights'")) == 1


def test_a_training_without_a_model_is_a_failed_run_with_the_last_error(world: World) -> None:
    training = world.trainings.accept(a_training())
    world.trainings.reject(training, Reason(code="training-failed", message="exit code -9"))

    for _ in range(2):
        world.tracking.record(training)

    (run,) = world.runs().values()
    assert run.info.status == "FAILED"
    assert run.data.tags["tidemill.reasons"] == "exit code -9"


class Server:
    """A tracking server that is down at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.recorded: list[str] = []
        self.stop = threading.Event()
        self.recorder: Recorder | None = None
        self.readiness: list[bool] = []

    def record(self, training: Training) -> None:
        if self.recorder is not None:
            self.readiness.append(self.is_ready())
        if self.failures:
            self.failures -= 1
            raise ConnectionError("nobody there")
        self.recorded.append(training.model_id)
        self.stop.set()

    def is_ready(self) -> bool:
        assert self.recorder is not None
        try:
            self.recorder.check_ready()
        except RuntimeError:
            return False
        return True


def a_recorder(trainings: Trainings, server: Server) -> Recorder:
    return Recorder(trainings, server.record, lambda _: True, retry_seconds=0)


def test_a_server_that_is_down_shows_in_readiness_and_gets_the_training_when_it_is_back(
    tmp_path: Path,
) -> None:
    trainings = Trainings(FolderStore(tmp_path))
    training = trainings.accept(a_training())
    server = Server(failures=2)
    recorder = server.recorder = a_recorder(trainings, server)

    recorder.submit(training)
    recorder.run(server.stop)

    assert server.recorded == [training.model_id]
    assert [*server.readiness, server.is_ready()] == [True, False, False, True]
    assert trainings.without(RECORDED) == []


def test_after_a_restart_what_was_told_but_not_recorded_is_recorded(tmp_path: Path) -> None:
    trainings = Trainings(FolderStore(tmp_path))
    told, _untold = trainings.accept(a_training(1)), trainings.accept(a_training(2))
    trainings.mark(told, TOLD)
    server = Server(failures=0)
    recorder = a_recorder(trainings, server)

    recorder.resume()
    recorder.run(server.stop)

    assert server.recorded == [told.model_id]


def test_a_registry_is_looked_at_until_it_is_settled(tmp_path: Path) -> None:
    trainings = Trainings(FolderStore(tmp_path))
    for pipeline in ("flights", "weather"):
        trainings.accept(a_training(pipeline=pipeline))
    looks: list[str] = []
    stop = threading.Event()

    def align(pipeline: str) -> bool:
        looks.append(pipeline)
        if looks.count("weather") == 3:
            stop.set()
        return pipeline == "flights" and looks.count("flights") == 2

    recorder = Recorder(trainings, lambda _: None, align, retry_seconds=0, align_seconds=0)
    recorder.resume()
    recorder.run(stop)

    assert (looks.count("flights"), looks.count("weather")) == (2, 3)


def test_runs_are_sorted_by_a_metric_with_an_index(world: World) -> None:
    world.tracking.record(world.end_training(1))

    with sqlite3.connect(world.database) as database:
        known = {table for (table,) in database.execute("SELECT DISTINCT tbl FROM sqlite_stat1")}
    assert {"runs", "latest_metrics"} <= known
