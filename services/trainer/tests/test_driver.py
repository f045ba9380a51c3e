"""Rules of the driver: every accepted training ends in one verdict, whatever happens on the way."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import pytest
from trainer_world import a_training, commit_model

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    CandidateTrained,
    ModelBlessed,
    ModelRejected,
    ModelSuperseded,
    Reason,
    TrialFinished,
)
from tidemill_contracts.pipeline import Metadata, Pipeline, PipelineSpec
from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence
from tidemill_runtime.telling import Cause
from tidemill_trainer.driver import Driver, Limits
from tidemill_trainer.launcher import Job, State, Status
from tidemill_trainer.standing import Standings
from tidemill_trainer.trainings import TOLD, Candidate, Training, Trainings, Trial

MAX_ATTEMPTS = 2


class Killed(BaseException):
    """The process ended here, at once."""


class FakeLauncher:
    """Jobs that stand still until a test ends them."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self.jobs: dict[str, Status] = {}
        self.specs: list[TrainingSpec] = []

    @property
    def running(self) -> list[str]:
        return [job_id for job_id, status in self.jobs.items() if status.state is State.RUNNING]

    def launch(self, job: Job, spec: TrainingSpec) -> None:
        self._step()
        self.jobs.setdefault(job.job_id, Status(State.RUNNING))
        self.specs.append(spec)

    def poll(self, job: Job) -> Status:
        return self.jobs.get(job.job_id, Status(State.ABSENT))

    def logs(self, job: Job) -> str:
        return f"the log of {job.job_id}"

    def close(self) -> None:
        self.jobs.clear()


class DriversStore(FolderStore):
    """The bucket as the driver sees it."""

    def __init__(self, folder: Path, step: Callable[[], None]) -> None:
        super().__init__(folder)
        self._step = step
        self.asked: list[str] = []

    def create(self, name: str, data: bytes) -> bool:
        self._step()
        return super().create(name, data)

    def read(self, name: str) -> bytes:
        self.asked.append(name)
        return super().read(name)

    def list(self, prefix: str) -> list[str]:
        self.asked.append(prefix)
        return super().list(prefix)


class World:
    """A bucket, a launcher and what was told; drivers come and go.

    All that a driver does to the world takes a step of `doom`; with none left, its process is killed instead.
    """

    def __init__(self, folder: Path) -> None:
        self.doom: Iterator[None] = repeat(None)
        self.store = FolderStore(folder)
        self.seen = DriversStore(folder, self.step)
        self.trainings = Trainings(self.seen)
        self.launcher = FakeLauncher(self.step)
        self.told: list[tuple[EventData, Cause]] = []
        self.recorded: list[Training] = []
        self.unspeakable: tuple[str, ...] = ()

    def step(self) -> None:
        if next(self.doom, "none left") is not None:
            raise Killed

    def tell(self, data: EventData, cause: Cause) -> None:
        if data.subject.startswith(self.unspeakable):
            raise ConnectionError("nobody there")
        self.step()
        self.told.append((data, cause))

    def a_driver(self, max_running: int = 9) -> Driver:
        """A driver as a new process has it."""
        driver = Driver(
            self.trainings,
            self.launcher,
            self.tell,
            limits=Limits(MAX_ATTEMPTS, max_running),
            pause_seconds=0,
            on_told=self.recorded.append,
        )
        driver.resume()
        return driver

    def succeed(self, training: Training) -> None:
        """End the running job of a training with a candidate and a manifest."""
        candidate = Candidate(
            family="deep", metrics={"roc_auc": 0.75}, params={}, curves={}, defects=(), seconds=2
        )
        Trainings(self.store).add_candidate(training, candidate)
        commit_model(self.store, training)
        self.end(State.SUCCEEDED)

    def end(self, state: State, detail: str = "") -> None:
        (job_id,) = self.launcher.running
        self.launcher.jobs[job_id] = Status(state, detail)

    def subjects(self, of: type[EventData] = EventData) -> list[str]:
        return [data.subject for data, _ in self.told if isinstance(data, of)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def turn(driver: Driver, times: int = 3) -> None:
    for _ in range(times):
        driver.step()


def turn_until_told(world: World, driver: Driver, events: int) -> None:
    """What is new of a training that has been quiet for a while is looked for a little later."""
    deadline = time.monotonic() + 60
    while len(world.told) < events and time.monotonic() < deadline:
        driver.step()


def test_a_training_ends_with_its_candidates_and_its_verdict_told(world: World) -> None:
    driver, training = world.a_driver(), a_training()

    driver.accept(training)
    turn(driver)
    world.succeed(training)
    turn(driver)

    facts = training.model_dump(include={"pipeline", "model_id"})
    blessed = {"dataset": 1, "dataset_id": training.dataset_id, "family": "deep", "champion": None}
    assert world.told == [
        (CandidateTrained(**facts, family="deep", metrics={"roc_auc": 0.75}, seconds=2), training.cause),
        (ModelBlessed(**facts, **blessed, version=1, metrics={"roc_auc": 0.75}, seconds=0), training.cause),
    ]
    assert world.recorded == [training]


def test_a_candidate_is_told_while_others_still_train(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    driver.accept(training)
    turn(driver)
    candidate = Candidate(family="deep", metrics={}, params={}, curves={}, defects=(), seconds=2)

    world.trainings.add_candidate(training, candidate)
    turn_until_told(world, driver, 1)

    assert [type(data) for data, _ in world.told] == [CandidateTrained]
    assert len(world.launcher.running) == 1


def test_a_job_is_launched_as_its_spec_says(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    spec = PipelineSpec(label="late", training=TrainingSpec(workers=3))
    pipeline = Pipeline(metadata=Metadata(name="flights"), spec=spec)
    world.store.create(layout.pinned_spec("flights", training.spec_digest), pipeline.to_json().encode())

    driver.accept(training)
    turn(driver)

    assert world.launcher.specs == [spec.training]


def test_trials_are_told_once_each_with_the_best_score_so_far(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    driver.accept(training)
    turn(driver)
    for number, (metric, score) in enumerate([("rmse", 2.0), ("rmse", None), ("rmse", 3.0)]):
        trial = Trial(
            number=number,
            family="deep",
            origin="search",
            params={},
            state="pruned" if score is None else "finished",
            score=score,
            seconds=1,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            metric=metric,
            seconds_left=60 - number,
        )
        world.trainings.add_trial(training, trial)
        turn_until_told(world, driver, number + 1)

    told = [data for data, _ in world.told if isinstance(data, TrialFinished)]
    assert [(each.trial, each.score, each.best, each.state) for each in told] == [
        (0, 2.0, 2.0, "finished"),
        (1, None, 2.0, "pruned"),
        (2, 3.0, 2.0, "finished"),
    ]
    assert [(each.metric, each.seconds_left) for each in told] == [("rmse", 60), ("rmse", 59), ("rmse", 58)]
    assert {cause for _, cause in world.told} == {training.cause}


def test_what_runs_takes_one_listing_a_step_and_what_waits_takes_nothing(world: World) -> None:
    driver, running = world.a_driver(max_running=1), a_training()
    driver.accept(running)
    turn(driver)
    driver.accept(a_training(2, pipeline="weather"))
    turn(driver)
    world.seen.asked.clear()

    turn(driver, times=1)

    assert world.seen.asked in ([], [running.beside("")])


def test_one_training_runs_at_a_time_per_pipeline_that_on_the_newest_data(world: World) -> None:
    driver = world.a_driver()
    first, second, other = a_training(1), a_training(2), a_training(1, pipeline="weather")

    for training in (first, second, other):
        driver.accept(training)
    turn(driver)

    assert sorted(world.launcher.running) == sorted([f"{second.model_id}-1", f"{other.model_id}-1"])


def test_data_is_as_new_as_its_newest_span_whatever_its_number(world: World) -> None:
    driver = world.a_driver()
    later, earlier = (
        a_training(dataset).model_copy(update={"newest_span": span}) for dataset, span in ((1, 2), (2, 1))
    )

    for training in (later, earlier):
        driver.accept(training)
    turn(driver)

    assert world.launcher.running == [f"{later.model_id}-1"]


def test_of_a_backfill_what_runs_goes_on_and_then_only_the_newest_data_is_trained_on(world: World) -> None:
    driver = world.a_driver()
    trainings = [a_training(dataset) for dataset in range(1, 13)]
    driver.accept(trainings[0])
    turn(driver)
    for training in trainings[1:]:
        driver.accept(training)
    turn(driver)
    world.succeed(trainings[0])
    turn(driver)
    world.succeed(trainings[-1])
    turn(driver)

    superseded = [data for data, _ in world.told if isinstance(data, ModelSuperseded)]
    assert sorted(each.dataset for each in superseded) == list(range(2, 12))
    assert {(each.by_dataset, each.by_model_id) for each in superseded} == {(12, trainings[-1].model_id)}
    assert world.subjects(ModelBlessed) == [
        f"pipelines/flights/models/{each.model_id}" for each in (trainings[0], trainings[-1])
    ]
    assert len(world.launcher.jobs) == 2
    assert world.recorded == [trainings[0], trainings[-1]]


def test_what_was_superseded_is_told_once_with_its_own_cause_and_never_trained(world: World) -> None:
    driver = world.a_driver()
    old, new = a_training(1), a_training(2)
    for training in (old, new):
        driver.accept(training)
    turn(driver)
    world.succeed(new)
    turn(driver)
    turn(world.a_driver())
    driver.accept(old)
    turn(driver)

    causes = [cause for data, cause in world.told if isinstance(data, ModelSuperseded)]
    assert causes == [old.cause]
    assert list(world.launcher.jobs) == [f"{new.model_id}-1"]


def test_data_of_another_spec_is_trained_on_too(world: World) -> None:
    driver = world.a_driver()
    old = a_training(1).model_copy(update={"spec_digest": "of before"})
    new = a_training(2)
    for training in (old, new):
        driver.accept(training)
    turn(driver)
    world.succeed(new)
    turn(driver)

    assert world.launcher.running == [f"{old.model_id}-1"]
    assert world.subjects(ModelSuperseded) == []


def test_what_someone_asked_for_is_trained_however_old_its_data(world: World) -> None:
    driver = world.a_driver()
    asked = a_training(1).model_copy(update={"requested": True})
    for training in (asked, a_training(2)):
        driver.accept(training)
    turn(driver)
    world.succeed(a_training(2))
    turn(driver)

    assert world.launcher.running == [f"{asked.model_id}-1"]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_superseded_is_trained_for_the_one_who_asks_for_it(world: World, *, restarted: bool) -> None:
    driver = world.a_driver()
    old, new = a_training(1), a_training(2)
    for training in (old, new):
        driver.accept(training)
    turn(driver)
    world.succeed(new)
    turn(driver)

    driver.accept(old.model_copy(update={"requested": True, "correlation_id": "a request"}))
    if restarted:
        driver = world.a_driver()
    turn(driver)
    world.succeed(old)
    turn(driver)

    told = {type(data): cause.correlation_id for data, cause in world.told if old.model_id in data.subject}
    assert told == {ModelSuperseded: "drop-1", CandidateTrained: "a request", ModelBlessed: "a request"}
    assert Standings(world.trainings).unfinished() == []


def test_no_more_jobs_run_at_once_than_allowed_and_who_waits_longest_is_next(world: World) -> None:
    driver = world.a_driver(max_running=1)
    trainings = [a_training(day, pipeline=name) for day, name in ((1, "zoo"), (3, "air"), (2, "mill"))]
    order = []
    for training in trainings:
        driver.accept(training)
    for _ in trainings:
        turn(driver)
        (running,) = world.launcher.running
        order.append(running)
        world.end(State.SUCCEEDED)
        commit_model(world.store, next(each for each in trainings if running.startswith(each.model_id)))
        turn(driver)

    assert order == [f"{trainings[index].model_id}-1" for index in (0, 2, 1)]


def test_a_pipeline_whose_verdict_cannot_be_told_leaves_its_place_to_another(world: World) -> None:
    driver = world.a_driver(max_running=1)
    driver.accept(a_training(1))
    turn(driver)
    driver.accept(a_training(2, pipeline="weather"))
    world.unspeakable = ("pipelines/flights/",)
    world.succeed(a_training(1))
    turn(driver)

    assert world.launcher.running == [f"{a_training(2, pipeline='weather').model_id}-1"]


def test_jobs_that_outlived_the_driver_count_before_others_are_launched(world: World) -> None:
    driver = world.a_driver()
    driver.accept(a_training(2))
    turn(driver)
    driver.accept(a_training(1, pipeline="weather"))

    turn(world.a_driver(max_running=1))

    assert world.launcher.running == [f"{a_training(2).model_id}-1"]


def test_a_job_that_outlived_the_driver_is_waited_for(world: World) -> None:
    driver = world.a_driver()
    driver.accept(a_training(2))
    turn(driver)
    driver.accept(a_training(3))

    turn(world.a_driver())

    assert world.launcher.running == [f"{a_training(2).model_id}-1"]
    assert world.subjects(ModelSuperseded) == []


def test_a_job_that_ended_with_the_driver_is_launched_again(world: World) -> None:
    world.a_driver().accept(a_training())
    turn(world.a_driver())
    world.launcher.close()

    turn(world.a_driver())

    assert world.launcher.running == [f"{a_training().model_id}-1"]


def test_a_training_accepted_again_is_told_with_the_cause_of_the_first_time(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    for correlation_id in ("drop-1", "another"):
        driver.accept(training.model_copy(update={"correlation_id": correlation_id}))
        turn(driver)
    world.succeed(training)
    turn(driver)
    driver.accept(training)
    turn(driver)

    assert {cause.correlation_id for _, cause in world.told} == {"drop-1"}
    assert Sequence(world.store, layout.MODEL_SEQUENCE, "flights").keys() == {1: training.model_id}
    assert len(world.launcher.jobs) == 1


def test_a_training_whose_jobs_all_fail_is_rejected_for_ever_with_the_last_error(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    driver.accept(training)
    turn(driver)
    world.end(State.FAILED, "exit code -9")
    turn(driver)
    error = Reason(code="training-failed", message="MemoryError: too much")
    world.trainings.add_error(training, 2, error)
    world.end(State.FAILED, "exit code 1")
    turn(driver)
    turn(world.a_driver())

    ((verdict, cause),) = world.told
    assert isinstance(verdict, ModelRejected)
    assert (verdict.version, verdict.family, verdict.reasons) == (None, None, (error,))
    assert cause == training.cause
    assert len(world.launcher.jobs) == MAX_ATTEMPTS
    assert world.trainings.manifest(training) is None


def test_a_training_that_its_job_rejects_takes_no_other_attempt(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    reason = Reason(code="task-unsupported", message="expected another task")
    driver.accept(training)
    turn(driver)
    world.trainings.reject(training, reason)
    world.end(State.SUCCEEDED)
    turn(driver)

    ((verdict, cause),) = world.told
    assert isinstance(verdict, ModelRejected)
    assert (verdict.reasons, cause) == ((reason,), training.cause)
    assert (len(world.launcher.jobs), world.trainings.failures(training)) == (1, 0)


def test_a_job_that_failed_once_is_launched_once_more(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    driver.accept(training)
    turn(driver)
    world.end(State.FAILED, "exit code -9")
    turn(driver)
    world.succeed(training)
    turn(driver)

    assert world.trainings.failure(training, 1).message == "exit code -9"
    assert [type(data) for data, _ in world.told] == [CandidateTrained, ModelBlessed]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_job_counts_by_its_manifest_and_not_by_how_it_ended(world: World, state: State) -> None:
    with_manifest, without = a_training(1), a_training(1, pipeline="weather")
    driver = world.a_driver()
    driver.accept(with_manifest)
    turn(driver)
    commit_model(world.store, with_manifest)
    world.end(state)
    turn(driver)
    driver.accept(without)
    turn(driver)
    world.end(state)
    turn(driver)

    assert world.subjects(ModelBlessed) == [f"pipelines/flights/models/{with_manifest.model_id}"]
    assert world.trainings.failures(without) == 1


def test_a_pipeline_in_trouble_holds_up_no_other_and_goes_on_when_it_is_over(world: World) -> None:
    driver = world.a_driver()
    troubled, other = a_training(1), a_training(1, pipeline="weather")
    for training in (troubled, other):
        driver.accept(training)
        commit_model(world.store, training)
    world.unspeakable = ("pipelines/flights/",)
    turn(driver)
    told_meanwhile = world.subjects()

    world.unspeakable = ()
    turn(driver)

    assert told_meanwhile == [f"pipelines/weather/models/{other.model_id}"]
    assert world.subjects() == [*told_meanwhile, f"pipelines/flights/models/{troubled.model_id}"]


def test_a_verdict_that_was_told_is_not_told_again_after_a_restart(world: World) -> None:
    driver, training = world.a_driver(), a_training()
    driver.accept(training)
    turn(driver)
    world.succeed(training)
    turn(driver)
    told = len(world.told)

    turn(world.a_driver())

    assert len(world.told) == told


def see_through(world: World, training: Training) -> None:
    """Live as long as a training takes, from the message to the verdict."""
    driver = world.a_driver()
    driver.accept(training)
    for _ in range(5):
        driver.step()
        if world.launcher.running:
            world.succeed(training)


@pytest.mark.parametrize(
    "outlives", [False, True], ids=["jobs end with the driver", "jobs outlive the driver"]
)
@pytest.mark.parametrize("steps", range(6))
def test_a_driver_killed_before_any_step_still_ends_in_one_model(
    world: World, steps: int, *, outlives: bool
) -> None:
    training = a_training()
    world.doom = iter([None] * steps)
    with pytest.raises(Killed):
        see_through(world, training)
    if not outlives:
        world.launcher.close()

    world.doom = repeat(None)
    see_through(world, training)

    assert Sequence(world.store, layout.MODEL_SEQUENCE, "flights").keys() == {1: training.model_id}
    assert {data.subject: type(data) for data, _ in world.told} == {
        f"pipelines/flights/models/{training.model_id}/candidates/deep": CandidateTrained,
        f"pipelines/flights/models/{training.model_id}": ModelBlessed,
    }
    assert world.trainings.without(TOLD) == []
    assert world.launcher.running == []


@pytest.mark.parametrize("steps", range(6))
def test_a_driver_killed_before_any_step_still_tells_what_was_superseded(world: World, steps: int) -> None:
    old, new = a_training(1), a_training(2)
    world.a_driver().accept(old)
    world.doom = iter([None] * steps)
    with pytest.raises(Killed):
        see_through(world, new)

    world.doom = repeat(None)
    see_through(world, new)

    assert {data.subject: type(data) for data, _ in world.told} == {
        f"pipelines/flights/models/{old.model_id}": ModelSuperseded,
        f"pipelines/flights/models/{new.model_id}/candidates/deep": CandidateTrained,
        f"pipelines/flights/models/{new.model_id}": ModelBlessed,
    }
    assert list(world.launcher.jobs) == [f"{new.model_id}-1"]
    assert Standings(world.trainings).unfinished() == []
