"""Rules of the search with the real families: what learns here is what will serve."""

from pathlib import Path

import numpy as np
import pytest
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_contracts.training_spec import Training
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import TrainingData, load_dataset, read_manifest
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.finalists import Finalists
from tidemill_trainer.search.search import search

TOLERANCE = 1e-5
FOREVER = Budget(search_until=float("inf"), ends_at=float("inf"), looking_seconds=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    store, training = FolderStore(tmp_path_factory.mktemp("bucket")), a_training()
    write_dataset(store, training, rows=1200)
    return load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)


def searched(data: TrainingData, training: Training) -> Finalists:
    return search(data, PIPELINE.spec.model_copy(update={"training": training}), budget=FOREVER)


def test_the_same_rows_give_the_same_models_though_families_learn_side_by_side(data: TrainingData) -> None:
    first, again = searched(data, Training()), searched(data, Training())

    assert not first.failed
    assert [member.family for member in first.members] == [member.family for member in again.members]
    for one, other in zip(first.members, again.members, strict=True):
        if "trees" in one.family or one.family == "random-forest":
            np.testing.assert_array_equal(one.answers, other.answers)
        else:
            np.testing.assert_allclose(one.answers, other.answers, atol=TOLERANCE)


def test_models_of_folds_are_one_model_in_the_graph_too(data: TrainingData, tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415

    finalists = searched(data, Training(families=("boosted-trees",), trials=3))

    trees = next(member for member in finalists.members if member.family == "boosted-trees")
    columns = data.held_out.columns()
    tensors = {name: tf.constant(values) for name, values in columns.items()}
    assert trees.trained.params["folds"] == 5
    # YDF's operation keeps to the first forest it was run with, unless it is a node of a graph.
    graph = tf.function(trees.trained.graph(tmp_path).__call__)
    np.testing.assert_allclose(graph(tensors), trees.trained.predict(columns), atol=TOLERANCE)
    # Every row was answered by a model that had not learned it: such answers are no better than to new rows.
    assert 0.6 < trees.score < 0.95
