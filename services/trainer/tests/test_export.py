"""Rules of SavedModels: what TensorFlow Serving can ask of one, whatever was learned and however."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from known_model import FEATURES, known_data, known_model
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tidemill_contracts import tfserving
from tidemill_contracts.profile import Task
from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.export.examples import to_examples
from tidemill_trainer.export.model import export
from tidemill_trainer.export.warmup import WARMUP_FILE
from tidemill_trainer.servable import NotServable, Servable

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
# What a process does that knows TensorFlow alone: every signature, asked with what the warm-up asks.
STRANGER = """
import sys, numpy as np, tensorflow as tf
folder = sys.argv[1]
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    model = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    for name, signature in sorted(model.signature_def.items()):
        if name.startswith("__"):
            continue
        feed = {
            tensor.name: np.full(2, np.nan, np.float32) if tensor.dtype == 1 else np.array([b"", b""], object)
            for tensor in signature.inputs.values()
        }
        fetch = {key: tensor.name for key, tensor in signature.outputs.items()}
        values = session.run(fetch, feed)
        shapes = [f"{key}{list(value.shape)}" for key, value in sorted(values.items())]
        print(name, signature.method_name, *shapes)
loaded = tf.saved_model.load(folder)
print(*sorted(loaded.signatures))
"""


@pytest.fixture(scope="module", params=TASKS)
def data(request: pytest.FixtureRequest) -> TrainingData:
    return known_data(request.param)


@pytest.fixture(scope="module")
def folder(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    export(known_model(data), data, folder)
    return folder


@pytest.fixture(scope="module")
def servable(folder: Path) -> Servable:
    return Servable(folder)


def serialized(columns: Columns, data: TrainingData) -> Any:
    examples = to_examples(columns, data.features, data.profile)
    return np.array([example.SerializeToString() for example in examples], object)


def test_a_process_that_knows_tensorflow_alone_can_ask_every_signature(
    folder: Path, data: TrainingData
) -> None:
    command = [sys.executable, "-c", STRANGER, str(folder)]

    *lines, loaded = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=100
    ).stdout.splitlines()

    width, features = data.objective.width, len(FEATURES)
    explained = f"answer[2] attributions[2, {features}] baseline[2]" + " class[2]" * (width > 0)
    answers = {
        "binary": "probability[2]",
        "multiclass": f"class[2] probabilities[2, {width}]",
        "regression": "value[2]",
    }[data.objective.task]
    classes = width or 2
    expected = {
        "classification": f"tensorflow/serving/classify classes[2, {classes}] scores[2, {classes}]",
        "examples": f"tensorflow/serving/predict {answers}",
        "explain": f"tensorflow/serving/predict {explained} features[2, {features}]",
        "regression": "tensorflow/serving/regress outputs[2]",
        "serving_default": f"tensorflow/serving/predict {answers}",
    }
    not_of_task = {"regression": "classification", "multiclass": "regression"}
    expected.pop(not_of_task.get(data.objective.task, ""), None)
    assert dict(line.split(" ", 1) for line in lines) == expected
    assert loaded.split() == sorted(expected)


def test_examples_are_answered_as_the_same_raw_columns_are(servable: Servable, data: TrainingData) -> None:
    columns = data.held_out.columns()

    raw = servable.outputs(columns)
    of_examples = servable.outputs({"examples": serialized(columns, data)}, "examples")

    assert raw.keys() == of_examples.keys()
    for name, values in raw.items():
        np.testing.assert_array_equal(of_examples[name], values)


def test_explanations_are_of_the_answers_that_are_served(servable: Servable, data: TrainingData) -> None:
    columns = {name: values[:9] for name, values in data.held_out.columns().items()}

    served, explained = servable.outputs(columns), servable.outputs(columns, "explain")

    answers = servable.predict(columns)
    expected = answers.max(axis=1) if data.objective.task == "multiclass" else answers
    np.testing.assert_allclose(explained["answer"], expected, rtol=1e-5)
    np.testing.assert_array_equal(explained.get("class", 0), served.get("class", 0))
    added = explained["attributions"].sum(axis=1) + explained["baseline"]
    np.testing.assert_allclose(added, explained["answer"], rtol=1e-5, atol=1e-6)
    assert [text.decode() for text in explained["features"][0]] == [feature.name for feature in FEATURES]


def test_what_an_example_lacks_is_missing_and_two_values_are_refused() -> None:
    data = known_data()
    empty = tfserving.Example(features={"feature": {"x": {"float_list": {"value": []}}}})
    two = tfserving.Example(features={"feature": {"x": {"float_list": {"value": [1, 2]}}}})

    (nothing,) = tf_read([tfserving.Example()], data)
    (listed,) = tf_read([empty], data)

    assert nothing == listed
    assert nothing == {
        "x": None,
        "Größe (n)": None,
        "yes?": None,
        "carrier": b"",
        "gate": b"",
        "when": b"",
    }
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf_read([two], data)


def tf_read(examples: list[Any], data: TrainingData) -> list[dict[str, Any]]:
    from tidemill_trainer.export.examples import read_examples  # noqa: PLC0415

    texts = tf.constant([example.SerializeToString() for example in examples], tf.string)
    columns = {name: values.numpy() for name, values in read_examples(texts, FEATURES, data.profile).items()}
    return [
        {name: None if values[row] != values[row] else values[row] for name, values in columns.items()}
        for row in range(len(examples))
    ]


def test_several_signatures_can_be_asked_for_the_same_examples_at_once(folder: Path) -> None:
    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs

    read = {
        tensor.name
        for name in ("classification", "regression", "examples")
        for tensor in graph.signature_def[name].inputs.values()
    }

    assert len(read) == 1


def test_every_signature_is_warmed_up(folder: Path, data: TrainingData) -> None:
    records = tf.data.TFRecordDataset(str(folder / WARMUP_FILE)).as_numpy_iterator()
    logs = [tfserving.PredictionLog.FromString(record) for record in records]

    kinds = {log.WhichOneof("log_type") for log in logs}
    asked = {getattr(log, log.WhichOneof("log_type")).request.model_spec.signature_name for log in logs}
    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    assert asked == set(graph.signature_def) - {"__saved_model_init_op"}
    assert ("classify_log" in kinds, "regress_log" in kinds) == (
        data.objective.task != "regression",
        data.objective.task != "multiclass",
    )
    assert (folder / WARMUP_FILE).stat().st_size < 10_000


def test_the_schema_says_how_to_ask_and_what_the_model_knows(folder: Path, data: TrainingData) -> None:
    schema = json.loads((folder / "assets/schema.json").read_text())

    assert (schema["task"], tuple(schema["classes"])) == (data.objective.task, data.objective.classes)
    features = {feature["name"]: feature for feature in schema["features"]}
    assert {name: (feature["tensor"], feature["example"]) for name, feature in features.items()} == {
        "x": ("float32", "float_list"),
        "Größe (n)": ("float32", "int64_list"),
        "yes?": ("float32", "int64_list"),
        "carrier": ("string", "bytes_list"),
        "gate": ("string", "int64_list"),
        "when": ("string", "bytes_list"),
    }
    known = (folder / "assets" / features["carrier"]["vocabulary"]).read_text().splitlines()
    assert sorted(known) == ["AA", "UA", "ZÜ\\n\\\\"]


def test_a_model_that_fails_on_rows_is_not_servable(tmp_path: Path) -> None:
    data = known_data()

    def failing(raw: Any) -> Any:
        with tf.control_dependencies([tf.debugging.Assert(raw["x"][0] < 0, ["expected rows below 0"])]):
            return tf.identity(raw["x"])

    export(known_model(data, failing), data, tmp_path / "model")

    with pytest.raises(NotServable, match="expected rows below 0"):
        Servable(tmp_path / "model").predict({**data.held_out.columns(), "x": np.ones(60, np.float32)})
