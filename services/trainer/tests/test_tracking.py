"""Rules of tracking: MLflow gets every candidate once, its champion is ours, and no verdict waits for it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from trainer_world import a_training, commit_model

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.recorder import Recorder
from tidemill_trainer.tracking import Tracking
from tidemill_trainer.trainings import RECORDED, TOLD, Candidate, Training, Trainings


class World:
    """A bucket with trainings that ended, and an MLflow database."""

    def __init__(self, folder: Path, tracking_uri: str) -> None:
        self.store = FolderStore(folder)
        self.trainings = Trainings(self.store)
        self.tracking = Tracking(tracking_uri, self.trainings)
        self.client: Any = MlflowClient(tracking_uri)

    def end_training(self, dataset: int, **verdict: Any) -> Training:
        training = self.trainings.accept(a_training(dataset))
        profile = layout.dataset(training.pipeline, training.dataset_id, "profile.json")
        self.store.write(profile, b'{"rows": 7}')
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
        commit_model(self.store, training, **verdict)
        return training

    def runs(self) -> list[Any]:
        experiment = self.client.get_experiment_by_name("flights")
        runs = self.client.search_runs([experiment.experiment_id])
        return sorted(runs, key=lambda run: str(run.info.run_name))

    def champion(self) -> str:
        return str(self.client.get_model_version_by_alias("flights", "champion").tags["tidemill.version"])


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


def test_every_candidate_is_a_run_with_its_metrics_curves_and_lineage(world: World) -> None:
    training = world.end_training(1)

    world.tracking.record(training)

    trees, deep = world.runs()
    assert (deep.info.run_name, deep.info.status) == ("1-deep", "FINISHED")
    assert deep.data.metrics == {"roc_auc": 0.75, "train_loss": 0.5, "training_seconds": 3}
    assert deep.data.params == {
        "dataset": "1",
        "dataset_id": training.dataset_id,
        "spec_digest": training.spec_digest,
        "epochs": "2",
    }
    assert deep.data.tags["tidemill.model_id"] == trees.data.tags["tidemill.model_id"] == training.model_id
    assert deep.data.tags["tidemill.verdict"] == "blessed"
    assert "tidemill.verdict" not in trees.data.tags
    history = world.client.get_metric_history(deep.info.run_id, "train_loss")
    assert [metric.value for metric in history] == [0.6, 0.5]
    kept = world.store.list("tracking/flights/")
    assert sorted(name.rpartition("/")[2] for name in kept) == ["metrics.json"] * 2 + ["profile.json"] * 2


def test_the_champion_is_the_newest_blessed_model(world: World) -> None:
    rejected = {"blessed": False, "reasons": (Reason(code="below-threshold", message="too low"),)}
    trainings = [world.end_training(1), world.end_training(2), world.end_training(3, **rejected)]

    for training in reversed(trainings):
        world.tracking.record(training)

    assert world.champion() == "2"
    versions = world.client.search_model_versions("name = 'flights'")
    assert {version.tags["tidemill.version"] for version in versions} == {"1", "2"}
    rejections = [run for run in world.runs() if run.data.tags.get("tidemill.verdict") == "rejected"]
    assert [run.data.tags["tidemill.reasons"] for run in rejections] == ["too low"]


def test_a_recording_that_was_cut_short_is_made_again_and_what_it_left_is_marked(world: World) -> None:
    training = world.end_training(1)
    experiment = world.client.create_experiment(
        "flights", artifact_location=str(world.store.uri("tracking/flights"))
    )
    tags = {"tidemill.model_id": training.model_id, "tidemill.family": "deep"}
    dangling = world.client.create_run(experiment, run_name="1-cut", tags=tags).info.run_id

    for _ in range(2):
        world.tracking.record(training)

    assert [(run.info.run_name, run.info.status) for run in world.runs()] == [
        ("1-boosted-trees", "FINISHED"),
        ("1-cut", "KILLED"),
        ("1-deep", "FINISHED"),
    ]
    assert world.client.get_run(dangling).info.end_time is not None
    assert len(world.client.search_model_versions("name = 'flights'")) == 1


def test_a_training_without_a_model_is_a_failed_run_with_the_last_error(world: World) -> None:
    training = world.trainings.accept(a_training())
    world.trainings.reject(training, Reason(code="training-failed", message="exit code -9"))

    for _ in range(2):
        world.tracking.record(training)

    (run,) = world.runs()
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


def test_a_server_that_is_down_shows_in_readiness_and_gets_the_training_when_it_is_back(
    tmp_path: Path,
) -> None:
    trainings = Trainings(FolderStore(tmp_path))
    training = trainings.accept(a_training())
    server = Server(failures=2)
    recorder = server.recorder = Recorder(trainings, server.record, retry_seconds=0)

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
    recorder = Recorder(trainings, server.record, retry_seconds=0)

    recorder.resume()
    recorder.run(server.stop)

    assert server.recorded == [told.model_id]
