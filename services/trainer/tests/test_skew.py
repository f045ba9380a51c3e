"""Rules against skew: a served model answers a row as training would have.

Requests are replayed through the training path: as a table, read as a dataset is, by the plan of training.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from every_kind import FEATURES
from hypothesis import given, settings
from numpy.typing import NDArray
from served_requests import served_requests
from skew_world import (
    BATCH_TOLERANCE,
    LEARNED,
    TOLERANCES,
    World,
    export_preprocessing,
    joined,
    make_world,
    replayed,
)
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.export.examples import to_examples
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.servable import Servable

WORLDS: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"task": "multiclass", "families": LEARNED},
    "regression": {"task": "regression", "families": ("linear", "random-forest", "deep")},
    "quantiles": {"task": "regression", "quantiles": (0.1, 0.5, 0.9), "families": ("boosted-trees", "deep")},
}
# Each world trains and loads several models.
pytestmark = pytest.mark.timeout(300)

OF_TREES = {"boosted-trees", "random-forest", "ensemble"}


@dataclass(frozen=True)
class Served:
    """A world, and its SavedModels in sessions, as model servers have them."""

    world: World = field(repr=False)
    loaded: dict[str, Servable] = field(default_factory=dict, repr=False)

    def model(self, name: str) -> Servable:
        if name not in self.loaded:
            self.loaded[name] = Servable(self.world.folder / name)
        return self.loaded[name]


def one_by_one(servable: Servable, columns: Columns) -> NDArray[Any]:
    rows = len(next(iter(columns.values())))
    return np.concatenate(
        [
            servable.predict({name: values[row : row + 1] for name, values in columns.items()})
            for row in range(rows)
        ]
    )


def check_alike(
    family: Family, received: NDArray[Any], expected: NDArray[Any], least_tolerance: float = 0
) -> None:
    tolerance = max(least_tolerance, TOLERANCES.get(family, BATCH_TOLERANCE))
    size = max(1, np.abs(expected).max())
    np.testing.assert_allclose(received, expected, rtol=0, atol=tolerance * size, err_msg=family)


@pytest.fixture(scope="module", params=WORLDS)
def every(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(make_world(tmp_path_factory.mktemp(request.param), **WORLDS[request.param]))


@pytest.fixture(scope="module", params=["every", "plain"])
def preprocessing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    world = make_world(tmp_path_factory.mktemp(request.param), [], plain=request.param == "plain")
    export_preprocessing(world)
    return Served(world)


def test_preprocessing_is_served_as_it_was_in_training(preprocessing: Served) -> None:
    plan, servable = preprocessing.world.plan, preprocessing.model("preprocessing")

    @settings(max_examples=15, deadline=None)
    @given(columns=served_requests(plan.features))
    def check(columns: Columns) -> None:
        in_training = joined(encode_rows(plan, replayed(columns, plan.features)))

        np.testing.assert_array_equal(servable.predict(columns), in_training)
        np.testing.assert_array_equal(one_by_one(servable, columns), in_training)

    check()


@settings(max_examples=8, deadline=None)
@given(columns=served_requests(FEATURES))
def test_predictions_are_served_as_they_were_in_training(every: Served, columns: Columns) -> None:
    # A number that is not scaled makes infinite answers of a regression near the end of float32.
    columns = {**columns, "1:raw": columns["1:raw"].clip(-1e9, 1e9)}

    for family in every.world.trained:
        in_training, servable = every.world.expected(family, columns), every.model(family)

        check_alike(family, servable.predict(columns), in_training)
        check_alike(family, one_by_one(servable, columns), in_training)


def test_predictions_of_many_rows_are_served_as_they_were_in_training(every: Served) -> None:
    columns = every.world.data.held_out.columns()

    for family, model in every.world.trained.items():
        served = every.model(family).predict(columns)

        assert np.std(served) > 0.05, family
        check_alike(family, served, model.predict(columns))


def test_examples_are_answered_as_the_same_raw_columns_are(every: Served) -> None:
    data = every.world.data
    columns = data.held_out.columns()
    examples = to_examples(columns, data.features, data.profile)
    serialized = np.array([example.SerializeToString() for example in examples], object)

    for family in every.world.trained:
        servable = every.model(family)
        of_examples = servable.outputs({"examples": serialized}, "examples")
        for name, values in servable.outputs(columns).items():
            np.testing.assert_array_equal(of_examples[name], values, family)


def test_what_features_add_makes_the_answer(every: Served) -> None:
    columns = {name: values[:5] for name, values in every.world.data.held_out.columns().items()}
    what = every.world.data.objective

    for family in every.world.trained:
        answers = every.model(family).predict(columns)
        explained = every.model(family).outputs(columns, "explain")

        chosen = answers.max(axis=1) if what.task == "multiclass" else answers
        chosen = answers[:, 1] if what.quantiles else chosen
        check_alike(family, explained["answer"], chosen, BATCH_TOLERANCE)
        added = explained["attributions"].sum(axis=1) + explained["baseline"]
        check_alike(family, added, explained["answer"], BATCH_TOLERANCE)
        assert np.abs(explained["attributions"]).max() > 0.01, family


def test_a_saved_model_needs_the_operations_of_tensorflow_and_ydf_alone(every: Served) -> None:
    for family in every.world.trained:
        file = every.world.folder / family / "saved_model.pb"
        (graph,) = SavedModel.FromString(file.read_bytes()).meta_graphs
        functions = graph.graph_def.library.function
        used = {node.op for part in (graph.graph_def.node, *(f.node_def for f in functions)) for node in part}

        others = used - set(dir(tf.raw_ops)) - {function.signature.name for function in functions}

        assert not used & {"PyFunc", "PyFuncStateless", "EagerPyFunc"}, family
        assert {name for name in others if not name.startswith("SimpleML")} == set(), family
        assert not others or family in OF_TREES
