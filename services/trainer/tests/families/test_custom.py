"""Rules of families of the user's own: the examples of CUSTOM.md learn; failures say what was expected."""

import math
import re
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from learned_data import data_of, examples_of, label_column, split

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Feature
from tidemill_trainer.data import TrainingData
from tidemill_trainer.export.model import export
from tidemill_trainer.families import Trained, Watch, load_learner
from tidemill_trainer.families.custom import CustomFailed
from tidemill_trainer.servable import Servable

DOCUMENT = Path(__file__).parents[2] / "CUSTOM.md"
BUILD, PROGRAM = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
FEATURES = (Feature(name="distance", kind="numeric"), Feature(name="carrier", kind="categorical"))
RATES = {"UA": 0.9, "AA": 0.2, "DL": 0.5}


WRONG_SHAPE = """
import keras, tensorflow as tf
class Model(keras.Model):
    def call(self, raw):
        return tf.zeros((tf.shape(raw["distance"])[0], 3))
def build(profile, spec):
    return Model()
"""
# Does what training takes long to do: leaves a SavedModel.
COPY = "import shutil, sys; shutil.copytree({folder!r}, sys.argv[sys.argv.index('--output') + 1])"


@pytest.fixture(scope="module")
def data() -> TrainingData:
    rng = np.random.default_rng(0)
    carrier = np.array(["UA", "AA", "DL"])[np.arange(900) % 3]
    late = rng.random(900) < np.array([RATES[name] for name in carrier])
    distance = np.where(rng.random(900) < 0.1, np.nan, rng.gamma(2, 500, 900))
    table = {"distance": pa.array(distance, from_pandas=True), "carrier": carrier, **label_column(late)}
    return data_of(pa.table(table), FEATURES)


def trained(data: TrainingData, seconds: float = math.inf, **custom: object) -> Trained:
    spec = PipelineSpec.model_validate({"label": "y", "training": {"families": ["custom"], "custom": custom}})
    learner = load_learner("custom", data, spec)
    learn, check = split(examples_of(data))
    params = {**learner.defaults(learn), "learning_rate": 0.01}
    return learner.fit(learn, check, params, 1, Watch(time.monotonic() + seconds))


def written(folder: Path, name: str, content: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a module that can be imported; return its name."""
    (folder / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(folder)
    return name


def assert_rates_are_served(model: Trained, data: TrainingData, folder: Path) -> None:
    columns = {
        "distance": np.array([700, np.nan, 900], np.float32),
        "carrier": np.array(["UA", "AA", "DL"], object),
    }
    export(model, data, folder)
    with closing(Servable(folder)) as servable:
        served = servable.predict(columns)
    np.testing.assert_allclose(served, list(RATES.values()), atol=0.15)
    np.testing.assert_allclose(served, model.predict(columns), atol=1e-6)


def test_the_function_of_the_document_learns_and_is_served(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = written(tmp_path, "documented_build", BUILD, monkeypatch)

    model = trained(data, build=f"{module}:build")

    assert model.params["epochs"] == len(model.curves["validation_loss"])
    assert_rates_are_served(model, data, tmp_path / "model")


def test_the_program_of_the_document_learns_and_is_served(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)

    model = trained(data, command=[sys.executable, str(tmp_path / "program.py")])

    assert_rates_are_served(model, data, tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a function .* that can be imported"),
        ("def build(profile, spec): return 7", "expected a keras.Model .*, received int"),
        (WRONG_SHAPE, "expected answers of shape"),
    ],
    ids=["no function", "no model", "another shape"],
)
def test_a_function_that_gives_no_model_fails_clearly(
    content: str, message: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = written(tmp_path, f"wrong_build_{len(content)}", content, monkeypatch)

    with pytest.raises(CustomFailed, match=message):
        trained(data, build=f"{module}:build")


@pytest.mark.parametrize(
    ("program", "seconds", "message"),
    [
        ("import sys; sys.exit(3)", 60, "to end with 0, received 3"),
        ("pass", 60, "expected a SavedModel"),
        ("import time; time.sleep(60)", 0.5, "to end within"),
    ],
    ids=["fails", "leaves nothing", "takes too long"],
)
def test_a_program_that_gives_no_model_fails_clearly(
    program: str, seconds: float, message: str, data: TrainingData
) -> None:
    begin = time.monotonic()

    with pytest.raises(CustomFailed, match=message):
        trained(data, seconds, command=[sys.executable, "-c", program])

    assert time.monotonic() - begin < 50


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("distance", "chance", "expected an output probability, received .*chance"),
        ("altitude", "probability", "expected inputs named as features are, received .*altitude"),
    ],
)
def test_a_model_of_other_names_fails_clearly(
    source: str, output: str, message: str, data: TrainingData, tmp_path: Path
) -> None:
    module = tf.Module()
    answer = tf.function(
        lambda **raw: {output: tf.sigmoid(raw[source])}, input_signature=None, autograph=False
    ).get_concrete_function(**{source: tf.TensorSpec([None], tf.float32, source)})
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": answer})

    with pytest.raises(CustomFailed, match=message):
        trained(data, command=[sys.executable, "-c", COPY.format(folder=str(tmp_path / "model"))])


def test_a_program_that_is_not_there_is_named(data: TrainingData) -> None:
    with pytest.raises(CustomFailed, match="expected a program /no/such/program that runs"):
        trained(data, command=["/no/such/program"])
