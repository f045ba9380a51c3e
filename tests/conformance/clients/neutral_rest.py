"""open-inference-openapi: the client that the protocol's own OpenAPI file generates."""

# ruff: noqa: PT017 - there is no pytest in a client's environment
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"

from typing import Any

from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.types import InferenceRequest, RequestInput

SECONDS = 10


def _client(rest: str) -> Any:
    return OpenInferenceClient(base_url=f"http://{rest}", timeout=SECONDS)


def _request() -> Any:
    return InferenceRequest(
        id="mine-1", inputs=[RequestInput(name="x", shape=[3], datatype="FP32", data=[2.0, 3.0, 4.0])]
    )


def live_and_ready(rest: str, _grpc: str) -> None:
    _client(rest).check_server_liveness()
    _client(rest).check_server_readiness()


def model_ready(rest: str, _grpc: str) -> None:
    _client(rest).check_model_readiness("half_plus_two")


def version_ready(rest: str, _grpc: str) -> None:
    _client(rest).check_model_version_readiness("half_plus_two", "123")


def server_metadata(rest: str, _grpc: str) -> None:
    assert _client(rest).read_server_metadata().name


def model_metadata(rest: str, _grpc: str) -> None:
    metadata = _client(rest).read_model_metadata("pair")
    assert {each.name for each in metadata.inputs} == {"a", "b"}


def version_metadata(rest: str, _grpc: str) -> None:
    metadata = _client(rest).read_model_version_metadata("half_plus_two", "123")
    assert [each.name for each in metadata.outputs] == ["y"]


def infer(rest: str, _grpc: str) -> None:
    answer = _client(rest).model_infer("half_plus_two", request=_request())
    assert answer.id == "mine-1"
    assert _values(answer) == [3.0, 3.5, 4.0]


def infer_version(rest: str, _grpc: str) -> None:
    answer = _client(rest).model_version_infer("half_plus_two", "123", request=_request())
    assert _values(answer) == [3.0, 3.5, 4.0]


def unknown_model(rest: str, _grpc: str) -> None:
    try:
        _client(rest).model_infer("guess", request=_request())
    except ApiError as error:
        assert error.status_code == 404
        assert error.body["error"]
    else:
        raise AssertionError("answered")


def _values(answer: Any) -> Any:
    data = answer.outputs[0].data
    return getattr(data, "__root__", data)


CHECKS = (
    live_and_ready,
    model_ready,
    version_ready,
    server_metadata,
    model_metadata,
    version_metadata,
    infer,
    infer_version,
    unknown_model,
)
