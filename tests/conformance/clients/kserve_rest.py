"""kserve's InferenceRESTClient, in both of its protocols."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

SECONDS = 10


def _ask(rest: str, protocol: str, ask: Callable[[Any, str], Awaitable[Any]]) -> Any:
    async def asking() -> Any:
        async with InferenceRESTClient(RESTConfig(protocol=protocol, timeout=SECONDS)) as client:
            return await ask(client, f"http://{rest}")

    return asyncio.run(asking())


def _request(model: str, *, binary: bool, **arrays: Any) -> Any:
    inputs = []
    for name, array in arrays.items():
        datatype = {"float32": "FP32", "int64": "INT64", "object": "BYTES"}[array.dtype.name]
        inputs.append(InferInput(name, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="mine-1")


def _infer(rest: str, model: str, *, binary: bool, **arrays: Any) -> Any:
    request = _request(model, binary=binary, **arrays)
    return _ask(rest, "v2", lambda client, url: client.infer(url, request, model_name=model))


def _half(rest: str, *, binary: bool) -> Any:
    return _infer(rest, "half_plus_two", binary=binary, x=np.array([2, 3, 4], np.float32))


def v1_predict(rest: str, _grpc: str) -> None:
    body = {"instances": [2.0, 3.0, 4.0]}
    answer = _ask(rest, "v1", lambda client, url: client.infer(url, body, model_name="half_plus_two"))
    assert answer["predictions"] == [3.0, 3.5, 4.0]


def v1_model_ready(rest: str, _grpc: str) -> None:
    assert _ask(rest, "v1", lambda client, url: client.is_model_ready(url, "half_plus_two")) is True


def v1_unknown_model(rest: str, _grpc: str) -> None:
    body = {"instances": [2.0]}
    try:
        _ask(rest, "v1", lambda client, url: client.infer(url, body, model_name="guess"))
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
        assert error.response.json()["error"]
    else:
        raise AssertionError("answered")


def v1_explain(rest: str, _grpc: str) -> None:
    body = {"instances": [2.0]}
    answer = _ask(rest, "v1", lambda client, url: client.explain(url, "half_plus_two", body))
    assert answer["explanations"]


def v1_server_live(rest: str, _grpc: str) -> None:
    assert _ask(rest, "v1", lambda client, url: client.is_server_live(url))


def v2_live_and_ready(rest: str, _grpc: str) -> None:
    assert _ask(rest, "v2", lambda client, url: client.is_server_live(url)) is True
    assert _ask(rest, "v2", lambda client, url: client.is_server_ready(url)) is True


def v2_model_ready(rest: str, _grpc: str) -> None:
    assert _ask(rest, "v2", lambda client, url: client.is_model_ready(url, "half_plus_two"))
    assert not _ask(rest, "v2", lambda client, url: client.is_model_ready(url, "guess"))


def v2_infer_json(rest: str, _grpc: str) -> None:
    answer = _half(rest, binary=False)
    assert answer.outputs[0].as_numpy().tolist() == [3.0, 3.5, 4.0]
    assert answer.id == "mine-1"


def v2_infer_binary(rest: str, _grpc: str) -> None:
    assert _half(rest, binary=True).outputs[0].as_numpy().tolist() == [3.0, 3.5, 4.0]


def v2_several_tensors(rest: str, _grpc: str) -> None:
    arrays = {"a": np.array([[1, 2]], np.float32), "b": np.array([3], np.int64)}
    answer = _infer(rest, "pair", binary=True, **arrays)
    values = {output.name: output.as_numpy().tolist() for output in answer.outputs}
    assert values == {"sum": [[4, 5]], "product": [[3, 6]]}


def v2_strings(rest: str, _grpc: str) -> None:
    answer = _infer(rest, "text", binary=False, name=np.array(["Ada"], object))
    (greeting,) = answer.outputs[0].as_numpy().tolist()
    assert greeting in (b"hello Ada", "hello Ada")


def v2_unknown_model(rest: str, _grpc: str) -> None:
    try:
        _infer(rest, "guess", binary=False, x=np.array([2], np.float32))
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
        assert error.response.json()["error"]
    else:
        raise AssertionError("answered")


CHECKS = (
    v1_predict,
    v1_model_ready,
    v1_unknown_model,
    v1_explain,
    v1_server_live,
    v2_live_and_ready,
    v2_model_ready,
    v2_infer_json,
    v2_infer_binary,
    v2_several_tensors,
    v2_strings,
    v2_unknown_model,
)
