"""Rules against skew, at the model server itself: what it answers over gRPC is what training would have.

Rows with every kind of feature are sent one by one and together, to models of both families.
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
from skew_world import BATCH_TOLERANCE, FAMILIES, World, make_world

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns

START_SECONDS = 60
CALL_SECONDS = 10


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("every"), plain=False)


@contextmanager
def model_server(folder: Path) -> Iterator[tfserving.PredictionServiceStub]:
    """Serve version 1 of every model below a folder."""
    models = [
        {"name": family, "base_path": str(folder / family), "model_platform": "tensorflow"}
        for family in FAMILIES
    ]
    config = folder / "models.config"
    config.write_text(str(tfserving.ModelServerConfig(model_config_list={"config": models})))
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
    trained: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tfserving.PredictionServiceStub]:
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        (folder / family).mkdir()
        (folder / family / "1").symlink_to(trained.folder / family)
    with model_server(folder) as stub:
        yield stub
    # Only this way of running a model needs no thread of its own for each operation.
    assert (folder / "log").read_text().count('"route": "calling-thread"') == len(FAMILIES)


def ask(stub: tfserving.PredictionServiceStub, family: Family, columns: Columns) -> NDArray[Any]:
    request = tfserving.PredictRequest(model_spec=tfserving.ModelSpec(name=family))
    for name, values in columns.items():
        request.inputs[name].CopyFrom(tensors.to_proto(values))
    response = stub.Predict(request, timeout=CALL_SECONDS)
    return tensors.to_array(response.outputs["probability"])


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(columns=served_requests(FEATURES))
def test_the_model_server_answers_as_training_would(
    server: tfserving.PredictionServiceStub, trained: World, family: Family, columns: Columns
) -> None:
    expected = trained.expected(family, columns)

    together = ask(server, family, columns)
    alone = [
        ask(server, family, {name: values[row : row + 1] for name, values in columns.items()})
        for row in range(len(expected))
    ]

    tolerance = 0 if family == "boosted-trees" else BATCH_TOLERANCE
    np.testing.assert_allclose(together, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.concatenate(alone), expected, rtol=0, atol=tolerance)
