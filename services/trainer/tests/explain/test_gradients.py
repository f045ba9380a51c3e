"""Rules of explanations by gradients: they add up, and give each feature what is its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from every_kind import every_kind
from learned_data import examples_of, split
from numpy.typing import NDArray

from tidemill_contracts.profile import FeatureOptions
from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.explain import BeginsWithSum, Sum
from tidemill_trainer.explain.gradients import Gradients
from tidemill_trainer.explain.sampling import Sampling
from tidemill_trainer.families import Trained, Watch, load_learner
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import MAX_WORDS, Category, Number, Plan


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return every_kind()


@pytest.fixture(scope="module", params=["deep", "linear"])
def trained(data: TrainingData, request: pytest.FixtureRequest) -> Trained:
    learner = load_learner(request.param)
    learn, check = split(examples_of(data))
    return learner.fit(learn, check, learner.defaults(learn), 1, Watch(float("inf")))


def explained(explainer: Any, rows: Columns) -> tuple[NDArray[Any], ...]:
    raw = {name: tf.constant(values) for name, values in rows.items()}
    return tuple(values.numpy() for values in tf.function(explainer)(raw))


def gradients_of(trained: Trained, background: Columns, folder: Path) -> Gradients:
    graph = trained.graph(folder)
    assert isinstance(graph, BeginsWithSum)
    assert graph.sum is not None
    return Gradients(graph.sum, trained.objective, trained.plan, background)


def test_attributions_of_every_kind_of_feature_add_up(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    rows = data.held_out.columns()

    attributions, baseline, answer, _ = explained(gradients_of(trained, data.train.columns(), tmp_path), rows)

    np.testing.assert_allclose(answer, trained.predict(rows), rtol=0, atol=1e-5)
    np.testing.assert_allclose(attributions.sum(axis=1) + baseline, answer, rtol=0, atol=1e-6)
    strengths = dict(zip(rows, np.abs(attributions).mean(axis=0), strict=True))
    assert strengths["distance"] > strengths["Carrier"]


def test_they_are_near_to_what_sampling_finds(trained: Trained, data: TrainingData, tmp_path: Path) -> None:
    rows = {name: values[:30] for name, values in data.held_out.columns().items()}
    background = {name: values[:32] for name, values in data.train.columns().items()}
    graph = trained.graph(tmp_path)

    by_gradients, *_ = explained(gradients_of(trained, background, tmp_path / "again"), rows)
    by_sampling, *_ = explained(Sampling(graph, data.objective, background, seed=1), rows)

    assert np.corrcoef(by_gradients.ravel(), by_sampling.ravel())[0, 1] > 0.9


class Weighed:
    """A network that weighs its two columns: a number counts once, a cross a hundred times."""

    def total(self, encoded: Encoded) -> Any:
        return tf.concat([encoded.numbers, 100 * tf.cast(encoded.ids, tf.float32)], axis=1)

    def finish(self, total: Any) -> Any:
        return tf.reduce_sum(total, axis=1)


def test_features_that_are_crossed_share_what_the_cross_adds() -> None:
    number, cross = Number("x", FeatureOptions(), None, gaps=False), Category(("a", "b"), ("",), 1)
    plan = Plan(features=(), numbers=(number,), moments=(), categories=(cross,), hashed=(), texts=())

    def encode(raw: Any) -> Encoded:
        return Encoded(
            raw["x"][:, None],
            tf.cast(raw["a"] * raw["b"], tf.int32)[:, None],
            tf.zeros((tf.shape(raw["x"])[0], 0, MAX_WORDS), tf.int32),
        )

    background = {name: np.array([0, 2], np.float32) for name in ("x", "a", "b")}
    explainer = Gradients(
        Sum(encode, Weighed()), Objective(task="regression", metric="rmse"), plan, background
    )

    row = {name: np.array([3], np.float32) for name in ("x", "a", "b")}
    attributions, baseline, answer, _ = explained(explainer, row)

    # On average, x is 1 and the cross is 2.
    assert (baseline.tolist(), answer.tolist()) == ([201], [903])
    np.testing.assert_allclose(attributions, [[3 - 1, 100 * (9 - 2) / 2, 100 * (9 - 2) / 2]], rtol=1e-6)
