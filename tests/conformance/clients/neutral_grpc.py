"""open-inference-grpc: the stubs that the protocol's own proto file generates."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

from typing import Any

import grpc as grpc_library
from open_inference.grpc import protocol
from open_inference.grpc.service import GRPCInferenceServiceStub

SECONDS = 10


def _stub(grpc: str) -> Any:
    return GRPCInferenceServiceStub(grpc_library.insecure_channel(grpc))


def _request(model: str = "half_plus_two") -> Any:
    request = protocol.ModelInferRequest(model_name=model, id="mine-1")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[3])
    tensor.contents.fp32_contents.extend([2.0, 3.0, 4.0])
    return request


def _refused(grpc: str, request: Any, code: str) -> None:
    try:
        _stub(grpc).ModelInfer(request, timeout=SECONDS)
    except grpc_library.RpcError as error:
        assert error.code().name == code, f"{error.code()}: {error.details()}"
    else:
        raise AssertionError("answered")


def live_and_ready(_rest: str, grpc: str) -> None:
    assert _stub(grpc).ServerLive(protocol.ServerLiveRequest(), timeout=SECONDS).live
    assert _stub(grpc).ServerReady(protocol.ServerReadyRequest(), timeout=SECONDS).ready


def model_ready(_rest: str, grpc: str) -> None:
    request = protocol.ModelReadyRequest(name="half_plus_two")
    assert _stub(grpc).ModelReady(request, timeout=SECONDS).ready


def model_metadata(_rest: str, grpc: str) -> None:
    metadata = _stub(grpc).ModelMetadata(protocol.ModelMetadataRequest(name="pair"), timeout=SECONDS)
    assert {each.name: each.datatype for each in metadata.outputs} == {"sum": "FP32", "product": "FP32"}


def infer_typed(_rest: str, grpc: str) -> None:
    answer = _stub(grpc).ModelInfer(_request(), timeout=SECONDS)
    assert list(answer.outputs[0].contents.fp32_contents) == [3.0, 3.5, 4.0]
    assert not answer.raw_output_contents
    assert answer.id == "mine-1"


def mixed_contents_refused(_rest: str, grpc: str) -> None:
    request = _request()
    request.raw_input_contents.append(b"\0" * 12)
    _refused(grpc, request, "INVALID_ARGUMENT")


def too_few_elements_refused(_rest: str, grpc: str) -> None:
    request = _request()
    del request.inputs[0].contents.fp32_contents[1:]
    _refused(grpc, request, "INVALID_ARGUMENT")


def unknown_model(_rest: str, grpc: str) -> None:
    _refused(grpc, _request("guess"), "NOT_FOUND")


CHECKS = (
    live_and_ready,
    model_ready,
    model_metadata,
    infer_typed,
    mixed_contents_refused,
    too_few_elements_refused,
    unknown_model,
)
