"""Rules against skew, at the model server itself: what it answers over gRPC is what training would have.

Rows with every kind of feature are sent one by one and together, to models of every family and task.
"""

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from every_kind import FEATURES
from hypothesis import given, settings
from numpy.typing import NDArray
from served_requests import served_requests
from skew_world import BATCH_TOLERANCE, FAMILIES, TOLERANCES, World, make_world

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.export.examples import to_examples

START_SECONDS = 120
CALL_SECONDS = 10
WORLDS: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"task": "multiclass", "families": ("boosted-trees",)},
    "regression": {"task": "regression", "families": ("boosted-trees",), "quantiles": (0.1, 0.5, 0.9)},
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    return {name: make_world(tmp_path_factory.mktemp(name), **world) for name, world in WORLDS.items()}


@contextmanager
def model_server(folder: Path, models: list[str]) -> Iterator[tfserving.PredictionServiceStub]:
    """Serve version 1 of every model below a folder."""
    configs = [
        {"name": model, "base_path": str(folder / model), "model_platform": "tensorflow"} for model in models
    ]
    config = folder / "models.config"
    config.write_text(str(tfserving.ModelServerConfig(model_config_list={"config": configs})))
    command = [
        sys.executable,
        "-m",
        "tidemill_local.modelserver",
        "--port=0",
        f"--model_config_file={config}",
    ]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log))
        stack.callback(process.kill)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        assert line, (folder / "log").read_text()[-2000:]
        channel = stack.enter_context(grpc.insecure_channel(json.loads(line)["grpc"]))
        yield tfserving.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def server(
    worlds: dict[str, World], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tfserving.PredictionServiceStub]:
    folder = tmp_path_factory.mktemp("models")
    models = []
    for task, world in worlds.items():
        for family in world.trained:
            models.append(f"{task}-{family}")
            (folder / models[-1]).mkdir()
            (folder / models[-1] / "1").symlink_to(world.folder / family)
    with model_server(folder, models) as stub:
        yield stub
    # Only this way of running a model needs no thread of its own for each operation.
    log = (folder / "log").read_text()
    assert log.count('"route": "calling-thread"') == len(models)
    assert log.count('"warmup_requests": 5') == sum(model.startswith("binary") for model in models)


def ask(
    stub: tfserving.PredictionServiceStub, model: str, inputs: Columns, signature: str = ""
) -> dict[str, NDArray[Any]]:
    request = tfserving.PredictRequest(model_spec={"name": model, "signature_name": signature})
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(values))
    response = stub.Predict(request, timeout=CALL_SECONDS)
    return {name: tensors.to_array(values) for name, values in response.outputs.items()}


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(columns=served_requests(FEATURES))
def test_the_model_server_answers_as_training_would(
    server: tfserving.PredictionServiceStub, worlds: dict[str, World], family: Family, columns: Columns
) -> None:
    expected = worlds["binary"].expected(family, columns)

    together = ask(server, f"binary-{family}", columns)["probability"]
    alone = [
        ask(server, f"binary-{family}", {name: values[row : row + 1] for name, values in columns.items()})
        for row in range(len(expected))
    ]

    tolerance = TOLERANCES.get(family, BATCH_TOLERANCE)
    np.testing.assert_allclose(together, expected, rtol=0, atol=tolerance)
    one_by_one = np.concatenate([answer["probability"] for answer in alone])
    np.testing.assert_allclose(one_by_one, expected, rtol=0, atol=tolerance)


@settings(max_examples=10, deadline=None)
@given(columns=served_requests(FEATURES))
def test_classes_and_quantiles_are_answered_as_training_would(
    server: tfserving.PredictionServiceStub, worlds: dict[str, World], columns: Columns
) -> None:
    chances = worlds["multiclass"].expected("boosted-trees", columns)
    quantiles = worlds["regression"].expected("boosted-trees", columns)

    classified = ask(server, "multiclass-boosted-trees", columns)
    ranged = ask(server, "regression-boosted-trees", columns)

    np.testing.assert_array_equal(classified["probabilities"], chances)
    names = worlds["multiclass"].data.objective.classes
    assert [text.decode() for text in classified["class"]] == [
        names[place] for place in chances.argmax(axis=1)
    ]
    np.testing.assert_array_equal(ranged["quantiles"], quantiles)
    np.testing.assert_array_equal(ranged["value"], quantiles[:, 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_server_explains_its_answers(
    server: tfserving.PredictionServiceStub, worlds: dict[str, World], family: Family
) -> None:
    columns = {name: values[:4] for name, values in worlds["binary"].data.held_out.columns().items()}

    explained = ask(server, f"binary-{family}", columns, "explain")

    answers = ask(server, f"binary-{family}", columns)["probability"]
    np.testing.assert_allclose(explained["answer"], answers, rtol=0, atol=BATCH_TOLERANCE)
    added = explained["attributions"].sum(axis=1) + explained["baseline"]
    np.testing.assert_allclose(added, explained["answer"], rtol=0, atol=BATCH_TOLERANCE)
    assert [text.decode() for text in explained["features"][3]] == [feature.name for feature in FEATURES]


def test_examples_can_be_classified_and_regressed_alone_and_at_once(
    server: tfserving.PredictionServiceStub, worlds: dict[str, World]
) -> None:
    data, model = worlds["binary"].data, "binary-boosted-trees"
    columns = {name: values[:3] for name, values in data.held_out.columns().items()}
    asked = {"example_list": {"examples": to_examples(columns, data.features, data.profile)}}
    specs = {
        kind: {"name": model, "signature_name": signature}
        for kind, signature in (("classify", "classification"), ("regress", "regression"))
    }
    tasks = [
        {"model_spec": spec, "method_name": f"tensorflow/serving/{kind}"} for kind, spec in specs.items()
    ]

    classes = server.Classify(
        tfserving.ClassificationRequest(model_spec=specs["classify"], input=asked), timeout=CALL_SECONDS
    ).result
    numbers = server.Regress(
        tfserving.RegressionRequest(model_spec=specs["regress"], input=asked), timeout=CALL_SECONDS
    ).result
    both = server.MultiInference(
        tfserving.MultiInferenceRequest(tasks=tasks, input=asked), timeout=CALL_SECONDS
    ).results

    answers = ask(server, model, columns)["probability"].tolist()
    assert [row.value for row in numbers.regressions] == answers
    assert [[each.label for each in row.classes] for row in classes.classifications] == [
        ["false", "true"]
    ] * 3
    assert [row.classes[1].score for row in classes.classifications] == answers
    assert [both[0].classification_result, both[1].regression_result] == [classes, numbers]
