"""No request fails while versions are switched: real SavedModels, hammered through a gateway."""

import json
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest
import tensorflow as tf
from gateways import is_ready, running_gateway, wait_until
from tiny_models import Serving, running_serving

from tidemill_contracts import tfserving
from tidemill_contracts.pb.routes_pb2 import Route

SWITCHES = 20
CLIENTS = 4
START_SECONDS = 90
CALL_SECONDS = 20


class ModelServer:
    """A model server's process: versions below `base` answer x plus their number modulo 2."""

    def __init__(self, base: Path, address: str) -> None:
        self.base = base
        self.address = address
        self._models = tfserving.ModelServiceStub(grpc.insecure_channel(address))

    def serve(self, *versions: int) -> None:
        """Serve these versions alone, and return once the highest answers."""
        config = {
            "name": "m",
            "base_path": str(self.base),
            "model_platform": "tensorflow",
            "model_version_policy": {"specific": {"versions": versions}},
        }
        request = tfserving.ReloadConfigRequest(config={"model_config_list": {"config": [config]}})
        self._models.HandleReloadConfigRequest(request, timeout=CALL_SECONDS)
        deadline = time.monotonic() + CALL_SECONDS
        while max(versions) not in self._available():
            assert time.monotonic() < deadline, f"waited for {versions} in vain"
            time.sleep(0.01)

    def route(self, version: int) -> Route:
        return Route(model="m", address=self.address, stable_version=version, loaded_versions=[version])

    def _available(self) -> set[int]:
        request = tfserving.GetModelStatusRequest(model_spec={"name": "m"})
        statuses = self._models.GetModelStatus(request, timeout=CALL_SECONDS).model_version_status
        available = tfserving.ModelVersionStatus.State.Value("AVAILABLE")
        return {status.version for status in statuses if status.state == available}


def save_versions(base: Path) -> None:
    """Write a model that adds one for odd versions, and one that adds nothing for even ones."""
    for version in (1, 2):
        module = tf.Module()
        module.addend = tf.Variable(float(version % 2))
        signature = tf.function(
            lambda x, module=module: {"y": x + module.addend},
            input_signature=[tf.TensorSpec([None], tf.float32, "x")],
        )
        tf.saved_model.save(module, str(base / str(version)), signatures=signature)
    for version in range(3, SWITCHES + 2):
        shutil.copytree(base / str(2 - version % 2), base / str(version))


@pytest.fixture
def model_server(tmp_path: Path) -> Iterator[ModelServer]:
    save_versions(tmp_path / "m")
    command = [sys.executable, "-m", "tidemill_local.modelserver", "--port=0"]
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("w"))
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log))
        stack.callback(process.kill)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        assert line, (tmp_path / "log").read_text()[-2000:]
        yield ModelServer(tmp_path / "m", json.loads(line)["grpc"])


def is_answering(replies: list[tuple[int, str, float]], begin: int, version: int) -> bool:
    return any(each[1] == str(version) for each in replies[begin:])


def test_no_request_fails_while_versions_are_switched_twenty_times_t34(model_server: ModelServer) -> None:
    serving = Serving()
    model_server.serve(1)
    serving.publish(model_server.route(1))
    replies: list[tuple[int, str, float]] = []
    done = threading.Event()

    def ask(client: httpx.Client) -> None:
        with httpx.Client(base_url=client.base_url, timeout=CALL_SECONDS) as mine:
            while not done.is_set():
                response = mine.post("/v1/models/m:predict", json={"instances": [0.5]})
                values = response.json().get("predictions", [0.0])
                version = response.headers.get("tidemill-model-version", response.text)
                replies.append((response.status_code, version, values[0]))

    with running_serving(serving), running_gateway(serving.address) as client, ThreadPoolExecutor() as pool:
        wait_until(lambda: is_ready(client))
        asking = [pool.submit(ask, client) for _ in range(CLIENTS)]
        for version in range(2, SWITCHES + 2):
            model_server.serve(version - 1, version)
            begin = len(replies)
            serving.publish(model_server.route(version))
            # The old version leaves at once: some requests are on their way to it still.
            model_server.serve(version)
            wait_until(partial(is_answering, replies, begin, version))
        done.set()
        for each in asking:
            each.result(CALL_SECONDS)

    assert [reply for reply in replies if reply[0] != 200] == []
    assert all(value == 0.5 + int(version) % 2 for _, version, value in replies)
    assert len({version for _, version, _ in replies}) == SWITCHES + 1
