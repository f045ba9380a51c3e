"""tritonclient over HTTP, binary tensors in and out unless told otherwise."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

import asyncio
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

X = np.array([2, 3, 4], np.float32)
SECONDS = 10.0


def _client(rest: str) -> Any:
    return triton.InferenceServerClient(rest, connection_timeout=SECONDS, network_timeout=SECONDS)


def _tensor(name: str, array: Any, datatype: str, *, binary: bool = True) -> Any:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def _half(rest: str, *, binary: bool = True, out: bool = True, **options: Any) -> Any:
    outputs = [triton.InferRequestedOutput("y", binary_data=out)]
    inputs = [_tensor("x", X, "FP32", binary=binary)]
    return _client(rest).infer("half_plus_two", inputs, outputs=outputs, **options)


def _refused(rest: str, model: str, inputs: list[Any], status: str) -> None:
    try:
        _client(rest).infer(model, inputs)
    except InferenceServerException as error:
        assert error.status() == status, f"status {error.status()}: {error.message()}"
        assert error.message(), "no message"
    else:
        raise AssertionError("answered")


def live_and_ready(rest: str, _grpc: str) -> None:
    assert _client(rest).is_server_live()
    assert _client(rest).is_server_ready()


def model_ready(rest: str, _grpc: str) -> None:
    assert _client(rest).is_model_ready("half_plus_two")


def unknown_model_not_ready(rest: str, _grpc: str) -> None:
    assert not _client(rest).is_model_ready("guess")


def version_ready(rest: str, _grpc: str) -> None:
    assert _client(rest).is_model_ready("half_plus_two", "123")


def server_metadata(rest: str, _grpc: str) -> None:
    metadata = _client(rest).get_server_metadata()
    assert metadata["name"]
    assert isinstance(metadata["extensions"], list)


def model_metadata(rest: str, _grpc: str) -> None:
    metadata = _client(rest).get_model_metadata("pair")
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == {"a": "FP32", "b": "INT64"}
    assert {each["name"]: each["shape"] for each in metadata["inputs"]} == {"a": [-1, 2], "b": [-1]}
    assert {each["name"] for each in metadata["outputs"]} == {"sum", "product"}


def infer_json(rest: str, _grpc: str) -> None:
    assert _half(rest, binary=False, out=False).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def infer_binary_in(rest: str, _grpc: str) -> None:
    assert _half(rest, binary=True, out=False).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def infer_binary_both(rest: str, _grpc: str) -> None:
    result = _half(rest)
    assert result.as_numpy("y").tolist() == [3.0, 3.5, 4.0]
    assert "binary_data_size" in result.get_output("y")["parameters"]


def infer_defaults(rest: str, _grpc: str) -> None:
    result = _client(rest).infer("half_plus_two", [_tensor("x", X, "FP32")])
    assert result.as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def infer_version(rest: str, _grpc: str) -> None:
    result = _half(rest, model_version="123")
    assert result.get_response()["model_version"] == "123"


def several_tensors(rest: str, _grpc: str) -> None:
    inputs = [
        _tensor("a", np.array([[1, 2]], np.float32), "FP32"),
        _tensor("b", np.array([3], np.int64), "INT64"),
    ]
    result = _client(rest).infer("pair", inputs)
    assert result.as_numpy("sum").tolist() == [[4, 5]]
    assert result.as_numpy("product").tolist() == [[3, 6]]


def wanted_outputs_only(rest: str, _grpc: str) -> None:
    inputs = [
        _tensor("a", np.array([[1, 2]], np.float32), "FP32"),
        _tensor("b", np.array([3], np.int64), "INT64"),
    ]
    result = _client(rest).infer("pair", inputs, outputs=[triton.InferRequestedOutput("sum")])
    assert result.as_numpy("sum").tolist() == [[4, 5]]
    assert result.get_output("product") is None


def strings_binary(rest: str, _grpc: str) -> None:
    names = np.array([b"Ada", "Zoë".encode()], object)
    result = _client(rest).infer("text", [_tensor("name", names, "BYTES")])
    assert result.as_numpy("greeting").tolist() == [b"hello Ada", "hello Zoë".encode()]


def strings_json(rest: str, _grpc: str) -> None:
    names = np.array(["Zoë"], object)
    outputs = [triton.InferRequestedOutput("greeting", binary_data=False)]
    inputs = [_tensor("name", names, "BYTES", binary=False)]
    result = _client(rest).infer("text", inputs, outputs=outputs)
    assert result.get_response()["outputs"][0]["data"] == ["hello Zoë"]


def request_id(rest: str, _grpc: str) -> None:
    assert _half(rest, request_id="mine-1").get_response()["id"] == "mine-1"


def not_a_number_binary(rest: str, _grpc: str) -> None:
    x = np.array([0, 1, -1], np.float32)
    result = _client(rest).infer("not_a_number", [_tensor("x", x, "FP32")])
    np.testing.assert_array_equal(result.as_numpy("y"), [np.nan, np.inf, -np.inf])


def unknown_model(rest: str, _grpc: str) -> None:
    _refused(rest, "guess", [_tensor("x", X, "FP32")], "404")


def wrong_rank(rest: str, _grpc: str) -> None:
    _refused(rest, "half_plus_two", [_tensor("x", X.reshape(1, 3, 1), "FP32")], "400")


def wrong_datatype(rest: str, _grpc: str) -> None:
    _refused(rest, "half_plus_two", [_tensor("x", X.astype(np.int32), "INT32")], "400")


def unknown_input(rest: str, _grpc: str) -> None:
    _refused(rest, "half_plus_two", [_tensor("z", X, "FP32")], "400")


def gzip_both(rest: str, _grpc: str) -> None:
    result = _half(rest, request_compression_algorithm="gzip", response_compression_algorithm="gzip")
    assert result.as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def deflate_both(rest: str, _grpc: str) -> None:
    result = _half(rest, request_compression_algorithm="deflate", response_compression_algorithm="deflate")
    assert result.as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def timeout_and_priority(rest: str, _grpc: str) -> None:
    assert _half(rest, timeout=5_000_000, priority=1).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def async_infer(rest: str, _grpc: str) -> None:
    client = triton.InferenceServerClient(rest, concurrency=4)
    calls = [client.async_infer("half_plus_two", [_tensor("x", X + n, "FP32")]) for n in range(8)]
    for n, call in enumerate(calls):
        assert call.get_result().as_numpy("y").tolist() == [3 + n / 2, 3.5 + n / 2, 4 + n / 2]


def asyncio_client(rest: str, _grpc: str) -> None:
    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(rest) as client:
            return await client.infer("half_plus_two", [_tensor("x", X, "FP32")])

    assert asyncio.run(ask()).as_numpy("y").tolist() == [3.0, 3.5, 4.0]


def model_config(rest: str, _grpc: str) -> None:
    assert _client(rest).get_model_config("half_plus_two")["name"] == "half_plus_two"


def statistics(rest: str, _grpc: str) -> None:
    _half(rest)
    (stats,) = _client(rest).get_inference_statistics("half_plus_two")["model_stats"]
    assert int(stats["inference_count"]) >= 1


def repository_index(rest: str, _grpc: str) -> None:
    index = _client(rest).get_model_repository_index()
    assert {"half_plus_two", "pair", "text", "not_a_number"} <= {each["name"] for each in index}


CHECKS = (
    live_and_ready,
    model_ready,
    unknown_model_not_ready,
    version_ready,
    server_metadata,
    model_metadata,
    infer_json,
    infer_binary_in,
    infer_binary_both,
    infer_defaults,
    infer_version,
    several_tensors,
    wanted_outputs_only,
    strings_binary,
    strings_json,
    request_id,
    not_a_number_binary,
    unknown_model,
    wrong_rank,
    wrong_datatype,
    unknown_input,
    gzip_both,
    deflate_both,
    timeout_and_priority,
    async_infer,
    asyncio_client,
    model_config,
    statistics,
    repository_index,
)
