"""Rules of progress that is kept: training that was cut short ends as if it had not been."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from team_member import some_rows

from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data_parallel.checkpoints import StoredCheckpoints, fit_key
from tidemill_trainer.data_parallel.cluster import Cluster
from tidemill_trainer.data_parallel.learner import Part
from tidemill_trainer.data_parallel.loop import NO_CHECKPOINTS, Checkpoints, train_together
from tidemill_trainer.families import Params, Watch
from tidemill_trainer.families.deep import Deep, DeepLearner

PARAMS: Params = {"dropout": 0.0, "max_epochs": 4, "width": 16}
SEED = 3


class CutShort(Exception):
    """The process was told to end."""


def cut_short_after(epoch: int, last: int, _loss: float) -> None:
    if last == epoch:
        raise CutShort


def fit(params: Params, checkpoints: Checkpoints, watch: Watch) -> Deep:
    learner = DeepLearner(partial(train_together, Cluster(), checkpoints=checkpoints))
    return learner.fit(*some_rows(), params, SEED, watch)


def weights_of(model: Deep) -> NDArray[np.float32]:
    return np.concatenate([weights.ravel() for weights in model.network.get_weights()])


def stored(folder: Path, params: Params) -> StoredCheckpoints:
    key = fit_key(Part(*some_rows()), params, SEED)
    return StoredCheckpoints(FolderStore(folder), "checkpoint.npz", key, interval_seconds=0)


def test_what_was_cut_short_goes_on_to_the_same_network(tmp_path: Path) -> None:
    whole = fit(PARAMS, NO_CHECKPOINTS, Watch(math.inf))
    epochs: list[int] = []
    with pytest.raises(CutShort):
        fit(PARAMS, stored(tmp_path, PARAMS), Watch(math.inf, partial(cut_short_after, 2)))

    resumed = fit(PARAMS, stored(tmp_path, PARAMS), Watch(math.inf, lambda epoch, _: epochs.append(epoch)))

    assert epochs == [2, 3]
    assert resumed.curves == whole.curves
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))


def test_what_was_over_is_not_trained_again(tmp_path: Path) -> None:
    impatient: Params = {**PARAMS, "max_epochs": 40, "patience_epochs": 1, "learning_rate": 0.05}
    whole = fit(impatient, stored(tmp_path, impatient), Watch(math.inf))

    again = fit(impatient, stored(tmp_path, impatient), Watch(math.inf))

    assert len(whole.curves["validation_loss"]) < 40
    assert again.curves == whole.curves
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))


def test_the_progress_of_another_fit_is_not_gone_on_from(tmp_path: Path) -> None:
    other: Params = {**PARAMS, "learning_rate": 1e-4}
    fit(PARAMS, stored(tmp_path, PARAMS), Watch(math.inf))

    assert stored(tmp_path, other).load() is None


def test_progress_is_not_written_all_the_time(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    fit(PARAMS, StoredCheckpoints(store, "checkpoint.npz", "key", interval_seconds=100), Watch(math.inf))

    assert store.list("") == []


def test_training_ends_when_its_time_is_over() -> None:
    model = fit({**PARAMS, "max_epochs": 10**6}, NO_CHECKPOINTS, Watch(-math.inf))

    assert len(model.curves["validation_loss"]) == 1
