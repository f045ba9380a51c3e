"""tritonclient over gRPC: raw tensors in and out."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

import asyncio
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

X = np.array([2, 3, 4], np.float32)
SECONDS = 10


def _client(grpc: str) -> Any:
    return triton.InferenceServerClient(grpc)


def _tensor(name: str, array: Any, datatype: str) -> Any:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def _half(grpc: str, **options: Any) -> Any:
    inputs = [_tensor("x", X, "FP32")]
    return _client(grpc).infer("half_plus_two", inputs, client_timeout=SECONDS, **options)


def _refused(grpc: str, model: str, inputs: list[Any], status: str) -> None:
    try:
        _client(grpc).infer(model, inputs, client_timeout=SECONDS)
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}", f"{error.status()}: {error.message()}"
    else:
        raise AssertionError("answered")


def live_and_ready(_rest: str, grpc: str) -> None:
    assert _client(grpc).is_server_live(client_timeout=SECONDS)
    assert _client(grpc).is_server_ready(client_timeout=SECONDS)


def model_ready(_rest: str, grpc: str) -> None:
    assert _client(grpc).is_model_ready("half_plus_two", client_timeout=SECONDS)


def unknown_model_not_ready(_rest: str, grpc: str) -> None:
    try:
        assert not _client(grpc).is_model_ready("guess", client_timeout=SECONDS)
    except InferenceServerException as error:
        assert error.status() == "StatusCode.NOT_FOUND", error.status()


def server_metadata(_rest: str, grpc: str) -> None:
    assert _client(grpc).get_server_metadata(client_timeout=SECONDS).name


def model_metadata(_rest: str, grpc: str) -> None:
    metadata = _client(grpc).get_model_metadata("pair", client_timeout=SECONDS)
    assert {each.name: each.datatype for each in metadata.inputs} == {"a": "FP32", "b": "INT64"}
    assert {each.name: list(each.shape) for each in metadata.inputs} == {"a": [-1, 2], "b": [-1]}


def infer(_rest: str, grpc: str) -> None:
    assert _half(grpc).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def infer_version(_rest: str, grpc: str) -> None:
    assert _half(grpc, model_version="123").get_response().model_version == "123"


def several_tensors(_rest: str, grpc: str) -> None:
    inputs = [
        _tensor("a", np.array([[1, 2]], np.float32), "FP32"),
        _tensor("b", np.array([3], np.int64), "INT64"),
    ]
    outputs = [triton.InferRequestedOutput("product")]
    result = _client(grpc).infer("pair", inputs, outputs=outputs, client_timeout=SECONDS)
    assert result.as_numpy("product").tolist() == [[3, 6]]
    assert result.as_numpy("sum") is None


def strings(_rest: str, grpc: str) -> None:
    names = np.array(["Zoë".encode()], object)
    result = _client(grpc).infer("text", [_tensor("name", names, "BYTES")], client_timeout=SECONDS)
    assert result.as_numpy("greeting").tolist() == ["hello Zoë".encode()]


def request_id(_rest: str, grpc: str) -> None:
    assert _half(grpc, request_id="mine-1").get_response().id == "mine-1"


def not_a_number(_rest: str, grpc: str) -> None:
    x = np.array([0, 1, -1], np.float32)
    result = _client(grpc).infer("not_a_number", [_tensor("x", x, "FP32")], client_timeout=SECONDS)
    np.testing.assert_array_equal(result.as_numpy("y"), [np.nan, np.inf, -np.inf])


def unknown_model(_rest: str, grpc: str) -> None:
    _refused(grpc, "guess", [_tensor("x", X, "FP32")], "NOT_FOUND")


def wrong_rank(_rest: str, grpc: str) -> None:
    _refused(grpc, "half_plus_two", [_tensor("x", X.reshape(1, 3, 1), "FP32")], "INVALID_ARGUMENT")


def wrong_datatype(_rest: str, grpc: str) -> None:
    _refused(grpc, "half_plus_two", [_tensor("x", X.astype(np.int32), "INT32")], "INVALID_ARGUMENT")


def unknown_input(_rest: str, grpc: str) -> None:
    _refused(grpc, "half_plus_two", [_tensor("z", X, "FP32")], "INVALID_ARGUMENT")


def compression(_rest: str, grpc: str) -> None:
    assert _half(grpc, compression_algorithm="gzip").as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def asyncio_client(_rest: str, grpc: str) -> None:
    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(grpc) as client:
            return await client.infer("half_plus_two", [_tensor("x", X, "FP32")], client_timeout=SECONDS)

    assert asyncio.run(ask()).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def model_config(_rest: str, grpc: str) -> None:
    config = _client(grpc).get_model_config("half_plus_two", client_timeout=SECONDS)
    assert config.config.name == "half_plus_two"


def statistics(_rest: str, grpc: str) -> None:
    _half(grpc)
    stats = _client(grpc).get_inference_statistics("half_plus_two", client_timeout=SECONDS)
    assert stats.model_stats[0].inference_count >= 1


def repository_index(_rest: str, grpc: str) -> None:
    index = _client(grpc).get_model_repository_index(client_timeout=SECONDS)
    assert {"half_plus_two", "pair"} <= {each.name for each in index.models}


CHECKS = (
    live_and_ready,
    model_ready,
    unknown_model_not_ready,
    server_metadata,
    model_metadata,
    infer,
    infer_version,
    several_tensors,
    strings,
    request_id,
    not_a_number,
    unknown_model,
    wrong_rank,
    wrong_datatype,
    unknown_input,
    compression,
    asyncio_client,
    model_config,
    statistics,
    repository_index,
)
