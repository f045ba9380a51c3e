"""Rules of one fit: it ends with its time, and says when that was too short."""

import pytest
from stub_learner import StubLearner
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import load_dataset, read_manifest
from tidemill_trainer.families import Watch
from tidemill_trainer.search.fitting import Fitted, OutOfTime, fit
from tidemill_trainer.search.material import Material, make_material


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Rows that are divided into five folds."""
    store, training = FolderStore(tmp_path_factory.mktemp("bucket")), a_training()
    write_dataset(store, training, rows=1000)
    data = load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)
    return make_material(data, cross_validate=True)


def fitted(learner: StubLearner, material: Material, watch: Watch) -> Fitted:
    return fit(learner, material, {"quality": 0.5}, seed=0, watch=watch, before_answers=lambda: None)


def test_folds_for_which_there_is_no_time_are_not_begun(material: Material) -> None:
    learner = StubLearner("deep", {})

    with pytest.raises(OutOfTime, match="expected time for 5 folds, after 1 there was too little"):
        fitted(learner, material, Watch(stop_at=0, give_up_at=0))

    assert len(learner.fits) == 1


def test_a_model_that_time_has_cut_short_is_said_to_be(material: Material) -> None:
    over, in_time = (fitted(StubLearner("linear", {}), material, Watch(at)) for at in (0, float("inf")))

    assert (len(over.models), over.is_cut_short) == (5, True)
    assert (len(in_time.models), in_time.is_cut_short) == (5, False)
