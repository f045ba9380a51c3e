"""The process: probes and metrics, slow models beside fast ones, death and return, refusal to start."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tidemill_contracts import tensors, tfserving

SPIN_TURNS = 300_000


def predict(channel: grpc.Channel, name: str, signature: str, **inputs: Any) -> Any:
    request = tfserving.PredictRequest(
        model_spec={"name": name, "signature_name": signature},
        inputs={alias: tensors.to_proto(values) for alias, values in inputs.items()},
    )
    return tfserving.PredictionServiceStub(channel).Predict(request, timeout=30)


def get(server: Any, path: str) -> str:
    with urllib.request.urlopen(f"http://{server.addresses['monitoring']}{path}", timeout=5) as reply:
        return str(reply.read().decode())


def refused_start(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidemill_local.modelserver", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_slow_model_delays_neither_probes_nor_other_models(server: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        slow = [
            pool.submit(predict, server.channel, "zero", "spin", turns=np.int32(SPIN_TURNS)) for _ in range(4)
        ]
        time.sleep(0.1)
        started = time.monotonic()
        predict(server.channel, "trees", "", size=np.zeros(1, np.float32), colour=np.array(["red"]))
        check = health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        seconds = time.monotonic() - started
        still_running = not slow[-1].done()
        assert [each.result(30).outputs["y"].dtype for each in slow] == [3, 3, 3, 3]

    assert still_running
    assert check.status == health_pb2.HealthCheckResponse.SERVING
    assert seconds < 0.5


def test_health_is_told_over_grpc_t33(server: Any) -> None:
    check = health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert check.status == health_pb2.HealthCheckResponse.SERVING


def test_probes_answer(server: Any) -> None:
    assert (get(server, "/livez"), get(server, "/readyz")) == ("ok\n", "ok\n")


def test_metrics_carry_tensorflow_servings_names(server: Any) -> None:
    predict(server.channel, "keras", "", size=np.zeros(1, np.float32), colour=np.array(["red"]))
    with pytest.raises(grpc.RpcError):
        predict(server.channel, "guess-1", "")

    lines = get(server, "/metrics")

    assert ':tensorflow:serving:request_count{model_name="keras",status="OK"}' in lines
    assert ':tensorflow:serving:request_count{model_name="__unknown__",status="NOT_FOUND"}' in lines
    assert (
        ':tensorflow:serving:request_latency_count{API="Predict",entrypoint="GRPC",model_name="keras"}'
        in lines
    )
    assert ':tensorflow:serving:runtime_latency_sum{API="Predict",model_name="keras",runtime="TF1"}' in lines
    assert "guess-1" not in lines


def test_a_failed_model_of_the_command_line_leaves_the_others_running(server: Any) -> None:
    stub = tfserving.ModelServiceStub(server.channel)
    request = tfserving.GetModelStatusRequest(model_spec={"name": "corrupt"})

    (status,) = stub.GetModelStatus(request, timeout=5).model_version_status

    assert status.state == tfserving.ModelVersionStatus.END
    assert "Could not read SavedModel" in status.status.error_message
    assert '"models-unavailable"' in server.log.read_text()


def test_a_killed_server_comes_back_with_its_models_and_ends_politely(
    models: Path, start: Callable[..., Any], tmp_path: Path
) -> None:
    config = tmp_path / "models.config"
    model = {"name": "m", "base_path": str(models / "one"), "model_platform": "tensorflow"}
    config.write_text(str(tfserving.ModelServerConfig(model_config_list={"config": [model]})))
    with start("--model_name=m", f"--model_base_path={models / 'one'}") as first:
        predict(first.channel, "m", "", x=np.zeros(1, np.float32))
        first.process.send_signal(signal.SIGKILL)
        assert first.process.wait(10) == -signal.SIGKILL
    with start(f"--model_config_file={config}", "--threads=2") as second:
        reply = predict(second.channel, "m", "", x=np.zeros(1, np.float32))

    assert tensors.to_array(reply.outputs["y"]).tolist() == [1]
    assert second.process.returncode == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model_config_list { config { nme: 'm' } }", "expected a ModelServerConfig in"),
        (
            "model_config_list { config { name: 'm' base_path: 'm' model_platform: 'tensorflow' } }",
            "absolute",
        ),
        ("custom_model_config {}", "Only ModelConfigList is currently supported"),
    ],
)
def test_a_wrong_configuration_file_stops_the_start(tmp_path: Path, text: str, reason: str) -> None:
    config = tmp_path / "models.config"
    config.write_text(text)
    command = [
        sys.executable,
        "-m",
        "tidemill_local.modelserver",
        "--port=0",
        f"--model_config_file={config}",
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert reason in done.stderr


def test_a_unix_socket_is_as_good_as_a_port(models: Path, start: Callable[..., Any], tmp_path: Path) -> None:
    socket = tmp_path / "models.sock"
    with (
        start("--model_name=m", f"--model_base_path={models / 'one'}", f"--grpc_socket_path={socket}"),
        grpc.insecure_channel(f"unix:{socket}") as channel,
    ):
        reply = predict(channel, "m", "", x=np.zeros(1, np.float32))

    assert tensors.to_array(reply.outputs["y"]).tolist() == [1]


def test_a_taken_port_stops_the_start(server: Any) -> None:
    port = server.addresses["grpc"].rpartition(":")[2]

    done = refused_start(f"--port={port}")

    assert done.returncode == 1
    assert f"Failed to bind to address 127.0.0.1:{port}" in done.stderr
