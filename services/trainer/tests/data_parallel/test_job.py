"""Rules of a job of two workers: it ends with a model that anyone can load."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_contracts import layout
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import NUMBER
from tidemill_trainer.launcher import Job, ProcessLauncher, State, Status
from tidemill_trainer.servable import Servable
from tidemill_trainer.trainings import Trainings

END_SECONDS = 300
pytestmark = pytest.mark.timeout(2 * END_SECONDS)


def test_two_workers_end_with_a_model_that_any_process_can_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_BUCKET_URL", (tmp_path / "bucket").as_uri())
    monkeypatch.setenv("TIDEMILL_TRACKING_URI", "sqlite:///:memory:")
    monkeypatch.setenv("TIDEMILL_SCRATCH_FOLDER", str(tmp_path / "scratch"))
    trainings, training = Trainings(FolderStore(tmp_path / "bucket")), a_training()
    write_dataset(trainings.store, training, rows=2500)
    spec = PIPELINE.spec.training.model_copy(update={"workers": 2, "families": ("deep",)})
    pipeline = PIPELINE.model_copy(update={"spec": PIPELINE.spec.model_copy(update={"training": spec})})
    trainings.store.write(
        layout.pinned_spec(training.pipeline, training.spec_digest), pipeline.to_json().encode()
    )
    trainings.accept(training)

    with closing(ProcessLauncher(tmp_path / "scratch", END_SECONDS)) as launcher:
        job = Job(training, 1)
        launcher.launch(job, spec)
        status = _wait(launcher, job)
        log = Path(launcher.logs(job)).read_text()

    assert status.state is State.SUCCEEDED, log
    assert log.count("peers-joined") == 2
    manifest = trainings.manifest(training)
    assert manifest is not None
    assert manifest.candidates["deep"]["roc_auc"] > 0.6
    model = Servable(tmp_path / "bucket" / layout.model_version(training.pipeline, manifest.version))
    with closing(model):
        row = {
            name: np.array([1.0 if dtype == NUMBER else "UA"], dtype) for name, dtype in model.dtypes.items()
        }
        assert 0 < model.predict(row)[0] < 1
    assert "out-of-step" not in log


def _wait(launcher: ProcessLauncher, job: Job) -> Status:
    deadline = time.monotonic() + END_SECONDS
    while (status := launcher.poll(job)).state is State.RUNNING:
        assert time.monotonic() < deadline, Path(launcher.logs(job)).read_text()
        time.sleep(0.2)
    return status
