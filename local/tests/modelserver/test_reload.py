"""Configurations pushed to a running server: what loads, what leaves, and no request fails meanwhile."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tidemill_contracts import tensors, tfserving

CODE = grpc.StatusCode
Put = Callable[..., Path]
SWITCHES = 20
SPIN_TURNS = 300_000
CLIENTS = 4


class Client:
    """A server's two services, in a few words."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.models = tfserving.ModelServiceStub(channel)
        self.predictions = tfserving.PredictionServiceStub(channel)

    def reload(self, *configs: Mapping[str, Any]) -> None:
        models = [{"model_platform": "tensorflow", **config} for config in configs]
        request = tfserving.ReloadConfigRequest(config={"model_config_list": {"config": models}})
        self.models.HandleReloadConfigRequest(request, timeout=20)

    def states(self, name: str) -> dict[int, str]:
        request = tfserving.GetModelStatusRequest(model_spec={"name": name})
        statuses = self.models.GetModelStatus(request, timeout=5).model_version_status
        return {status.version: tfserving.ModelVersionStatus.State.Name(status.state) for status in statuses}

    def wait(self, name: str, expected: dict[int, str]) -> None:
        deadline = time.monotonic() + 20
        while (states := self.states(name)) != expected:
            assert time.monotonic() < deadline, f"expected {expected}, received {states}"
            time.sleep(0.01)

    def offset(self, name: str, **spec: Any) -> tuple[int, float]:
        """Return which version answered, and its offset."""
        request = tfserving.PredictRequest(model_spec={"name": name, **spec})
        request.inputs["x"].CopyFrom(tensors.to_proto(np.zeros(1, np.float32)))
        reply = self.predictions.Predict(request, timeout=10)
        return reply.model_spec.version.value, float(tensors.to_array(reply.outputs["y"])[0])


@pytest.fixture
def client(empty_server: Any) -> Client:
    return Client(empty_server.channel)


@pytest.fixture
def put(models: Path, tmp_path: Path) -> Put:
    """`put(*versions)` adds versions, each at once: even ones have offset 0, odd ones 1. Returns the base."""

    def add(*versions: int) -> Path:
        base = tmp_path / "base"
        base.mkdir(exist_ok=True)
        for version in versions:
            staged = shutil.copytree(models / ("one" if version % 2 else "zero") / "1", tmp_path / "staged")
            staged.rename(base / str(version))
        return base

    return add


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A model name no other test has used: the server remembers what became of each version."""
    return str(request.node.name)


def policy(**choice: Any) -> dict[str, Any]:
    return {"model_version_policy": choice}


def test_reload_returns_when_a_new_model_answers(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1))})

    assert client.offset(name) == (1, 1)
    assert client.states(name) == {1: "AVAILABLE"}


def test_a_file_url_is_a_base_path(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": put(1).as_uri()})

    assert client.offset(name) == (1, 1)


def test_a_new_version_on_disk_replaces_the_old_one(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1))})

    put(2)

    client.wait(name, {2: "AVAILABLE", 1: "END"})
    assert client.offset(name) == (2, 0)


def test_a_version_removed_from_disk_leaves(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1, 2)), **policy(all={})})
    client.wait(name, {2: "AVAILABLE", 1: "AVAILABLE"})

    shutil.rmtree(put(3) / "2")

    client.wait(name, {3: "AVAILABLE", 2: "END", 1: "AVAILABLE"})


def test_policies_choose_versions_t34(client: Client, put: Put, name: str) -> None:
    base = str(put(1, 2, 3))
    client.reload({"name": name, "base_path": base, **policy(specific={"versions": [1, 3]})})
    client.wait(name, {3: "AVAILABLE", 1: "AVAILABLE"})
    client.reload({"name": name, "base_path": base, **policy(latest={"num_versions": 2})})

    client.wait(name, {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"})


def test_labels_point_to_available_versions_t34(client: Client, put: Put, name: str) -> None:
    base = str(put(1, 2))
    model = {"name": name, "base_path": base, **policy(all={})}
    client.reload(model)
    client.wait(name, {2: "AVAILABLE", 1: "AVAILABLE"})
    client.reload({**model, "version_labels": {"stable": 1, "canary": 2}})

    assert client.offset(name, version_label="stable") == (1, 1)
    assert client.offset(name, version_label="canary") == client.offset(name) == (2, 0)

    with pytest.raises(grpc.RpcError) as failure:
        client.reload({**model, "version_labels": {"stable": 3}})
    assert failure.value.code() is CODE.FAILED_PRECONDITION
    assert failure.value.details() == (
        f"Request to assign label to version 3 of model {name}, "
        "which is not currently available for inference"
    )
    assert client.offset(name, version_label="stable") == (1, 1)


def test_a_model_left_out_is_unloaded_t34(client: Client, put: Put, name: str) -> None:
    base = str(put(1))
    client.reload({"name": name, "base_path": base})
    client.reload()
    client.wait(name, {1: "END"})

    with pytest.raises(grpc.RpcError, match="Servable not found for request: Latest"):
        client.offset(name)

    client.reload({"name": name, "base_path": base})
    assert client.offset(name) == (1, 1)


def test_a_corrupt_version_ends_with_its_reason_and_the_old_one_goes_on(
    client: Client, put: Put, name: str
) -> None:
    base = put(1)
    client.reload({"name": name, "base_path": str(base)})
    (base / "2").mkdir()
    (base / "2" / "saved_model.pb").write_bytes(b"not a model")

    client.wait(name, {2: "END", 1: "AVAILABLE"})

    request = tfserving.GetModelStatusRequest(model_spec={"name": name, "version": {"value": 2}})
    (status,) = client.models.GetModelStatus(request, timeout=5).model_version_status
    assert status.status.error_code == tfserving.Code.Value("DATA_LOSS")
    assert "Could not read SavedModel" in status.status.error_message
    assert client.offset(name) == (1, 1)


def test_a_failed_version_gets_another_chance_after_it_was_not_wanted(
    client: Client, put: Put, name: str
) -> None:
    base = put(1)
    (base / "2").mkdir()
    model = {"name": name, "base_path": str(base), **policy(all={})}
    client.reload({**model, **policy(specific={"versions": [1]})})
    client.reload(model)
    client.wait(name, {2: "END", 1: "AVAILABLE"})
    put(3)
    client.reload({**model, **policy(specific={"versions": [1, 3]})})
    client.wait(name, {3: "AVAILABLE", 2: "END", 1: "AVAILABLE"})
    shutil.rmtree(base / "2")
    put(2)

    client.reload(model)

    client.wait(name, {3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"})


def test_a_new_model_that_cannot_load_fails_the_reload_and_spares_the_others(
    client: Client, put: Put, name: str, tmp_path: Path
) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)

    with pytest.raises(grpc.RpcError) as failure:
        client.reload(
            {"name": name, "base_path": str(put(1))},
            {"name": f"{name} broken", "base_path": str(tmp_path / "broken")},
        )

    assert failure.value.code() is CODE.UNKNOWN
    assert "1 model(s) did not become available" in str(failure.value.details())
    assert "Could not find SavedModel" in str(failure.value.details())
    assert client.offset(name) == (1, 1)


def test_reload_waits_for_a_model_whose_files_are_still_to_come(
    client: Client, put: Put, name: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(client.reload, {"name": name, "base_path": str(tmp_path / "base")})
        with pytest.raises(TimeoutError):
            reload.result(0.3)

        put(1)
        reload.result(10)

    assert client.offset(name) == (1, 1)


def test_a_reload_that_waits_ends_when_another_takes_the_model_away(
    client: Client, name: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(client.reload, {"name": name, "base_path": str(tmp_path / "away")})
        with pytest.raises(TimeoutError):
            reload.result(0.3)

        client.reload()

        with pytest.raises(grpc.RpcError) as failure:
            reload.result(5)
    assert "taken out of the configuration" in str(failure.value.details())


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"base_path": "models/m"}, "absolute path or URI; got base_path()=models/m"),
        ({"base_path": "gs://bucket/m"}, "local base path; got base_path()=gs://bucket/m"),
        ({"base_path": "/m", "model_platform": "torch"}, "unsupported platform torch"),
        ({"base_path": "/m", "model_platform": ""}, "neither ModelServerConfig::model_type"),
    ],
)
def test_a_wrong_configuration_changes_nothing(
    client: Client, put: Put, config: dict[str, str], reason: str, name: str
) -> None:
    client.reload({"name": name, "base_path": str(put(1))})

    with pytest.raises(grpc.RpcError) as failure:
        client.reload({"name": "other", **config})

    assert failure.value.code() is CODE.INVALID_ARGUMENT
    assert reason in str(failure.value.details())
    assert client.offset(name) == (1, 1)


def test_a_model_listed_twice_is_refused(client: Client) -> None:
    with pytest.raises(grpc.RpcError, match="Illegal to list model m multiple times in config list"):
        client.reload({"name": "m", "base_path": "/a"}, {"name": "m", "base_path": "/b"})


def test_status_of_unknown_models_and_versions_is_not_found_t5(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1))})
    request = tfserving.GetModelStatusRequest(model_spec={"name": name, "version": {"value": 9}})

    with pytest.raises(grpc.RpcError, match="Could not find any versions of model nope"):
        client.states("nope")
    with pytest.raises(grpc.RpcError, match=f"Could not find version 9 of model {name}"):
        client.models.GetModelStatus(request, timeout=5)


def test_no_request_fails_while_versions_change(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1))})
    done = threading.Event()

    def ask() -> list[int]:
        versions = []
        while not done.is_set():
            version, offset = client.offset(name)
            assert offset == version % 2
            versions.append(version)
        return versions

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask) for _ in range(CLIENTS)]
        for version in range(2, SWITCHES + 2):
            put(version)
            client.wait(name, {**dict.fromkeys(range(1, version), "END"), version: "AVAILABLE"})
        done.set()
        answers = [each.result(10) for each in asking]

    assert all(versions == sorted(versions) for versions in answers)
    assert set().union(*answers) == set(range(1, SWITCHES + 2))


def test_a_version_that_leaves_first_answers_what_it_accepted(client: Client, put: Put, name: str) -> None:
    client.reload({"name": name, "base_path": str(put(1))})
    turns = tensors.to_proto(np.int32(SPIN_TURNS))
    request = tfserving.PredictRequest(
        model_spec={"name": name, "signature_name": "spin"}, inputs={"turns": turns}
    )
    accepted = [client.predictions.Predict.future(request, timeout=30) for _ in range(4)]
    put(2)
    client.wait(name, {2: "AVAILABLE", 1: "UNLOADING"})

    assert [each.result().model_spec.version.value for each in accepted] == [1, 1, 1, 1]
    client.wait(name, {2: "AVAILABLE", 1: "END"})


def warm_up_with(folder: Path, *requests: tfserving.PredictRequest) -> None:
    extra = folder / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for request in requests:
            writer.write(tfserving.PredictionLog(predict_log={"request": request}).SerializeToString())


def test_warm_up_has_a_thousand_records_at_most_t36(client: Client, put: Put, name: str) -> None:
    base = put(1)
    right = tfserving.PredictRequest(inputs={"x": tensors.to_proto(np.zeros(1, np.float32))})
    warm_up_with(base / "1", *[right] * 1001)

    with pytest.raises(grpc.RpcError, match=r"Number of warmup records exceeds the maximum \(1000\)"):
        client.reload({"name": name, "base_path": str(base)})


def test_a_model_is_offered_only_after_its_warm_up_requests_t36(
    client: Client, put: Put, name: str, tmp_path: Path
) -> None:
    base = put(1)
    right = tfserving.PredictRequest(inputs={"x": tensors.to_proto(np.zeros(1, np.float32))})
    wrong = tfserving.PredictRequest(inputs={"z": tensors.to_proto(np.zeros(1, np.float32))})
    warm_up_with(base / "1", right, right)
    shutil.copytree(base / "1", tmp_path / "bad" / "1", ignore=shutil.ignore_patterns("assets.extra"))
    warm_up_with(tmp_path / "bad" / "1", right, wrong)

    client.reload({"name": name, "base_path": str(base)})

    assert client.offset(name) == (1, 1)
    with pytest.raises(grpc.RpcError, match="input tensor alias not found in signature: z"):
        client.reload({"name": f"{name} bad", "base_path": str(tmp_path / "bad")})
