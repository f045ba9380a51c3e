"""kserve's InferenceGRPCClient."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc as grpc_library
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

SECONDS = 10


def _ask(grpc: str, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    async def asking() -> Any:
        async with InferenceGRPCClient(grpc, timeout=SECONDS) as client:
            return await ask(client)

    return asyncio.run(asking())


def _infer(grpc: str, model: str, *, raw: bool, **arrays: Any) -> Any:
    inputs = []
    for name, array in arrays.items():
        datatype = {"float32": "FP32", "int64": "INT64", "object": "BYTES"}[array.dtype.name]
        inputs.append(InferInput(name, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array, binary_data=raw)
    request = InferRequest(model_name=model, infer_inputs=inputs, request_id="mine-1")
    return _ask(grpc, lambda client: client.infer(request))


def live_and_ready(_rest: str, grpc: str) -> None:
    assert _ask(grpc, lambda client: client.is_server_live()) is True
    assert _ask(grpc, lambda client: client.is_server_ready()) is True


def model_ready(_rest: str, grpc: str) -> None:
    assert _ask(grpc, lambda client: client.is_model_ready("half_plus_two")) is True


def infer_contents(_rest: str, grpc: str) -> None:
    answer = _infer(grpc, "half_plus_two", raw=False, x=np.array([2, 3, 4], np.float32))
    assert answer.outputs[0].as_numpy().tolist() == [3.0, 3.5, 4.0]
    assert answer.id == "mine-1"


def infer_raw(_rest: str, grpc: str) -> None:
    answer = _infer(grpc, "half_plus_two", raw=True, x=np.array([2, 3, 4], np.float32))
    assert answer.outputs[0].as_numpy().tolist() == [3.0, 3.5, 4.0]


def several_tensors(_rest: str, grpc: str) -> None:
    arrays = {"a": np.array([[1, 2]], np.float32), "b": np.array([3], np.int64)}
    answer = _infer(grpc, "pair", raw=False, **arrays)
    values = {output.name: output.as_numpy().tolist() for output in answer.outputs}
    assert values == {"sum": [[4, 5]], "product": [[3, 6]]}


def strings(_rest: str, grpc: str) -> None:
    answer = _infer(grpc, "text", raw=False, name=np.array([b"Ada"], object))
    assert answer.outputs[0].as_numpy().tolist() == [b"hello Ada"]


def unknown_model(_rest: str, grpc: str) -> None:
    try:
        _infer(grpc, "guess", raw=False, x=np.array([2], np.float32))
    except grpc_library.RpcError as error:
        assert error.code() is grpc_library.StatusCode.NOT_FOUND, error.code()
    else:
        raise AssertionError("answered")


CHECKS = (live_and_ready, model_ready, infer_contents, infer_raw, several_tensors, strings, unknown_model)
