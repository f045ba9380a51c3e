"""Rules against skew: a served model answers a row as training would have.

Requests are replayed through the training path: as a table, read as a dataset is, by the plan of training.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from every_kind import FEATURES, PLAIN, every_kind
from hypothesis import given, settings
from numpy.typing import NDArray
from served_requests import served_requests
from skew_world import BATCH_TOLERANCE, FAMILIES, World, joined, make_world, replayed
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.training_spec import Family
from tidemill_trainer.competition import examine
from tidemill_trainer.data import Columns, dtype_of
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.servable import Servable


@dataclass(frozen=True, repr=False)
class Served:
    """A world, and its SavedModels in sessions, as model servers have them."""

    world: World

    def model(self, name: str) -> Servable:
        return self._models[name]

    @cached_property
    def _models(self) -> dict[str, Servable]:
        return {name: Servable(self.world.folder / name) for name in (*FAMILIES, "preprocessing")}


def one_by_one(servable: Servable, columns: Columns) -> NDArray[Any]:
    rows = len(next(iter(columns.values())))
    return np.concatenate(
        [
            servable.predict({name: values[row : row + 1] for name, values in columns.items()})
            for row in range(rows)
        ]
    )


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(make_world(tmp_path_factory.mktemp("every"), plain=False))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(make_world(tmp_path_factory.mktemp("plain"), plain=True))


@settings(max_examples=15, deadline=None)
@given(columns=served_requests(FEATURES))
def test_preprocessing_is_served_as_it_was_in_training(every: Served, columns: Columns) -> None:
    in_training = joined(encode_rows(every.world.plan, replayed(columns, FEATURES)))

    np.testing.assert_array_equal(every.model("preprocessing").predict(columns), in_training)
    np.testing.assert_array_equal(one_by_one(every.model("preprocessing"), columns), in_training)


@settings(max_examples=15, deadline=None)
@given(columns=served_requests(PLAIN))
def test_what_is_read_without_the_graph_is_served_by_it_as_it_was_in_training(
    plain: Served, columns: Columns
) -> None:
    in_training = joined(encode_rows(plain.world.plan, replayed(columns, PLAIN)))

    np.testing.assert_array_equal(plain.model("preprocessing").predict(columns), in_training)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(columns=served_requests(FEATURES))
def test_predictions_are_served_as_they_were_in_training(
    every: Served, family: Family, columns: Columns
) -> None:
    in_training = every.world.expected(family, columns)

    served, alone = every.model(family).predict(columns), one_by_one(every.model(family), columns)

    tolerance = 0 if family == "boosted-trees" else BATCH_TOLERANCE
    np.testing.assert_allclose(served, in_training, rtol=0, atol=tolerance)
    np.testing.assert_allclose(alone, in_training, rtol=0, atol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_of_many_rows_are_served_as_they_were_in_training(every: Served, family: Family) -> None:
    columns = every_kind().held_out.columns()

    served = every.model(family).predict(columns)

    assert np.std(served) > 0.05
    np.testing.assert_array_equal(served, every.world.trained[family].predict(columns))


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_rows_of_every_kind_survive_their_manifest(
    every: Served, family: Family, tmp_path: Path
) -> None:
    data = every_kind()
    contestant = examine(family, every.world.trained[family], data, tmp_path / family, time.perf_counter())

    golden = GoldenPredictions.model_validate_json(contestant.golden.model_dump_json())

    assert contestant.result.defects == ()
    asked = {
        feature.name: np.array(golden.inputs[feature.name], dtype_of(feature)) for feature in data.features
    }
    np.testing.assert_array_equal(every.model(family).predict(asked), golden.outputs["probability"])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_needs_the_operations_of_tensorflow_and_ydf_alone(
    every: Served, family: Family
) -> None:
    file = every.world.folder / family / "saved_model.pb"
    (graph,) = SavedModel.FromString(file.read_bytes()).meta_graphs
    functions = graph.graph_def.library.function
    used = {node.op for part in (graph.graph_def.node, *(f.node_def for f in functions)) for node in part}

    others = used - set(dir(tf.raw_ops)) - {function.signature.name for function in functions}

    assert not used & {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
    assert {name for name in others if not name.startswith("SimpleML")} == set()
    assert bool(others) == (family == "boosted-trees")
