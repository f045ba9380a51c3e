"""Rules of the further folds of the best models."""

import time
from datetime import UTC, datetime

import pytest
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import load_dataset, read_manifest
from tidemill_trainer.search.attempts import Outcome
from tidemill_trainer.search.bagging import Bagging, Division, divide
from tidemill_trainer.search.material import make_material
from tidemill_trainer.trainings import Trial


@pytest.fixture(scope="module")
def division(tmp_path_factory: pytest.TempPathFactory) -> Division:
    store, training = FolderStore(tmp_path_factory.mktemp("bucket")), a_training()
    write_dataset(store, training, rows=1000)
    data = load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)
    return divide(make_material(data, cross_validate=False), data)


@pytest.mark.parametrize(("seconds", "folds"), [(10, 4), (900, 0)], ids=["enough time", "too little"])
def test_folds_for_which_there_is_no_time_are_not_begun(division: Division, seconds: int, folds: int) -> None:
    facts = {"number": 0, "family": "boosted-trees", "origin": "search", "params": {}, "state": "finished"}
    trial = Trial.model_validate(
        {**facts, "seconds": seconds, "started_at": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    bagging = Bagging({"boosted-trees": Outcome(trial, None)}, division, stop_at=time.monotonic() + 1000)

    begun = [attempt.fold for _ in range(5) if (attempt := bagging.next([]))]

    assert begun == [1, 2, 3, 4][:folds]
