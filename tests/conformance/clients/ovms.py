"""ovmsclient, which speaks TensorFlow Serving's REST and gRPC; its version 0 means the default one."""


# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

from typing import Any

import numpy as np
from ovmsclient import make_grpc_client, make_http_client
from ovmsclient.tfs_compat.base.errors import ModelNotFoundError

X = np.array([2, 3, 4], np.float32)


def _values(answer: Any) -> Any:
    return np.asarray(answer).tolist()


def _not_found(client: Any) -> None:
    try:
        client.predict({"x": X}, "guess", 123)
    except ModelNotFoundError:
        return
    raise AssertionError("answered")


def _status(client: Any) -> None:
    status = client.get_model_status("half_plus_two", 123)
    assert status[123]["state"] == "AVAILABLE", status


def rest_predict(rest: str, _grpc: str) -> None:
    assert _values(make_http_client(rest).predict({"x": X}, "half_plus_two", 123)) == [3.0, 3.5, 4.0]


def rest_predict_default_version(rest: str, _grpc: str) -> None:
    assert _values(make_http_client(rest).predict({"x": X}, "half_plus_two")) == [3.0, 3.5, 4.0]


def rest_several_tensors(rest: str, _grpc: str) -> None:
    inputs = {"a": np.array([[1, 2]], np.float32), "b": np.array([3], np.int64)}
    answer = make_http_client(rest).predict(inputs, "pair", 1)
    assert {name: _values(array) for name, array in answer.items()} == {
        "sum": [[4, 5]],
        "product": [[3, 6]],
    }


def rest_status(rest: str, _grpc: str) -> None:
    _status(make_http_client(rest))


def rest_metadata(rest: str, _grpc: str) -> None:
    metadata = make_http_client(rest).get_model_metadata("half_plus_two", 123)
    assert metadata, metadata


def rest_unknown_model(rest: str, _grpc: str) -> None:
    _not_found(make_http_client(rest))


def grpc_predict(_rest: str, grpc: str) -> None:
    assert _values(make_grpc_client(grpc).predict({"x": X}, "half_plus_two", 123)) == [3.0, 3.5, 4.0]


def grpc_predict_default_version(_rest: str, grpc: str) -> None:
    assert _values(make_grpc_client(grpc).predict({"x": X}, "half_plus_two")) == [3.0, 3.5, 4.0]


def grpc_strings(_rest: str, grpc: str) -> None:
    answer = make_grpc_client(grpc).predict({"name": [b"Ada"]}, "text", 1)
    assert np.asarray(answer).tolist() == [b"hello Ada"]


def grpc_several_tensors(_rest: str, grpc: str) -> None:
    inputs = {"a": np.array([[1, 2]], np.float32), "b": np.array([3], np.int64)}
    answer = make_grpc_client(grpc).predict(inputs, "pair", 1)
    assert {name: _values(array) for name, array in answer.items()} == {
        "sum": [[4, 5]],
        "product": [[3, 6]],
    }


def grpc_status(_rest: str, grpc: str) -> None:
    _status(make_grpc_client(grpc))


def grpc_metadata(_rest: str, grpc: str) -> None:
    metadata = make_grpc_client(grpc).get_model_metadata("half_plus_two", 123)
    assert metadata["inputs"]["x"]["dtype"] == "DT_FLOAT", metadata


def grpc_unknown_model(_rest: str, grpc: str) -> None:
    _not_found(make_grpc_client(grpc))


CHECKS = (
    rest_predict,
    rest_predict_default_version,
    rest_several_tensors,
    rest_status,
    rest_metadata,
    rest_unknown_model,
    grpc_predict,
    grpc_predict_default_version,
    grpc_strings,
    grpc_several_tensors,
    grpc_status,
    grpc_metadata,
    grpc_unknown_model,
)
