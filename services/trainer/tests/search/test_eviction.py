"""Rules of a job that is taken away in the middle of its search: real processes, killed without warning."""

import os
import subprocess
import sys
import time
from pathlib import Path

from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_contracts import layout
from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.trainings import Training, Trainings, model_id

TRIALS = 9
DEADLINE_SECONDS = 140


def prepare(store: FolderStore) -> Training:
    """Write a dataset and the intent to search it for long enough to be interrupted."""
    searched = TrainingSpec(families=("boosted-trees",), trials=TRIALS)
    pipeline = PIPELINE.model_copy(update={"spec": PIPELINE.spec.model_copy(update={"training": searched})})
    digest = pipeline.digest()
    usual = a_training()
    training = usual.model_copy(
        update={"spec_digest": digest, "model_id": model_id(usual.dataset_id, digest)}
    )
    write_dataset(store, training, rows=1500)
    store.create(layout.pinned_spec("flights", digest), pipeline.to_json().encode())
    return Trainings(store).accept(training)


def start(folder: Path, training: Training, attempt: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "TIDEMILL_BUCKET_URL": (folder / "bucket").as_uri(),
        "TIDEMILL_TRACKING_URI": "sqlite:///:memory:",
        "TIDEMILL_SCRATCH_FOLDER": str(folder / "scratch"),
    }
    command = [sys.executable, "-m", "tidemill_trainer.job", "--intent", training.name]
    with (folder / f"{attempt}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--attempt", str(attempt)], env=environment, stdout=log, stderr=log
        )


def test_a_job_killed_in_its_search_goes_on_with_the_next_trial(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bucket")
    trainings, training = Trainings(store), prepare(store)
    first = start(tmp_path, training, 1)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(store.list(training.beside("trials/"))) < 3 and time.monotonic() < deadline:
            assert first.poll() is None, (tmp_path / "1.log").read_text()
            time.sleep(0.05)
    finally:
        first.kill()
        first.wait(10)
    before = store.list(training.beside("trials/"))
    generations = {name: store.stat(name).generation for name in before}

    second = start(tmp_path, training, 2)
    try:
        code = second.wait(DEADLINE_SECONDS)
    finally:
        second.kill()

    log = (tmp_path / "2.log").read_text()
    assert code == 0, log
    after = trainings.trials(training)
    assert 3 <= len(before) < len(after) <= TRIALS
    assert {name: store.stat(name).generation for name in before} == generations
    assert log.count("trial-finished") == len(after) - len(before)
    assert len({str(trial.params) for trial in after if not trial.left_out}) >= len(after) - 1
    assert trainings.manifest(training) is not None
