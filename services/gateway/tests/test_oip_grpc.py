"""The Open Inference Protocol over gRPC, by its own stubs."""

from typing import Any

import grpc
import numpy as np
import pytest
from gateways import running_app

from tidemill_contracts import oip

X = {"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [1, 2]}}


@pytest.fixture
def service(channel: grpc.Channel) -> oip.GrpcInferenceServiceStub:
    return oip.GrpcInferenceServiceStub(channel)


def request(model: str, *inputs: dict[str, Any], **fields: Any) -> Any:
    return oip.ModelInferRequest(model_name=model, inputs=inputs, **fields)


def refused(call: Any, message: Any, timeout_seconds: float = 5) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=timeout_seconds)
    return caught.value.code().name, caught.value.details() or ""


def test_the_server_is_live_ready_and_has_a_name_v20(service: oip.GrpcInferenceServiceStub) -> None:
    assert service.ServerLive(oip.ServerLiveRequest(), timeout=5).live
    assert service.ServerReady(oip.ServerReadyRequest(), timeout=5).ready
    metadata = service.ServerMetadata(oip.ServerMetadataRequest(), timeout=5)
    assert metadata.name == "tidemill-gateway"
    assert "binary_tensor_data" in metadata.extensions


def test_a_gateway_without_routes_is_live_but_not_ready_v20() -> None:
    with (
        running_app("127.0.0.1:1") as (_client, app),
        grpc.insecure_channel(app.grpc_server.address) as channel,
    ):
        service = oip.GrpcInferenceServiceStub(channel)
        assert service.ServerLive(oip.ServerLiveRequest(), timeout=5).live
        assert not service.ServerReady(oip.ServerReadyRequest(), timeout=5).ready
        assert refused(service.ModelInfer, request("m", X))[0] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [
        ("half_plus_two", "", True),
        ("half_plus_two", "124", True),
        ("half_plus_two", "9", False),
        ("z", "", False),
    ],
)
def test_a_model_is_ready_when_it_answers_v20(
    service: oip.GrpcInferenceServiceStub,
    name: str,
    version: str,
    ready: bool,  # noqa: FBT001 - a case's value
) -> None:
    reply = service.ModelReady(oip.ModelReadyRequest(name=name, version=version), timeout=5)

    assert reply.ready is ready


def test_a_model_is_described_configured_counted_and_listed_v20(
    service: oip.GrpcInferenceServiceStub,
) -> None:
    metadata = service.ModelMetadata(oip.ModelMetadataRequest(name="pairs"), timeout=5)
    config = service.ModelConfig(oip.ModelConfigRequest(name="pairs"), timeout=5).config
    service.ModelInfer(
        request("echo_double", {**X, "datatype": "FP64", "contents": {"fp64_contents": [1, 2]}}), timeout=5
    )
    stats = service.ModelStatistics(oip.ModelStatisticsRequest(name="echo_double"), timeout=5)
    index = service.RepositoryIndex(oip.RepositoryIndexRequest(ready=True), timeout=5)

    assert (metadata.platform, metadata.versions) == ("tensorflow_savedmodel", ["1"])
    assert (metadata.inputs[0].datatype, metadata.inputs[0].shape) == ("FP32", [-1, 2])
    assert (config.input[0].data_type, config.input[0].dims) == (oip.DataType.Value("TYPE_FP32"), [-1, 2])
    assert stats.model_stats[0].inference_stats.success.count >= 1
    assert ("half_plus_two", "124") in {(each.name, each.version) for each in index.models}


def test_models_are_not_loaded_by_callers_v20(service: oip.GrpcInferenceServiceStub) -> None:
    load = oip.RepositoryModelLoadRequest(model_name="half_plus_two")
    unload = oip.RepositoryModelUnloadRequest(model_name="half_plus_two")

    assert refused(service.RepositoryModelLoad, load)[0] == "PERMISSION_DENIED"
    assert refused(service.RepositoryModelUnload, unload)[0] == "PERMISSION_DENIED"


def test_typed_tensors_get_a_typed_answer_with_the_callers_id_v21(
    service: oip.GrpcInferenceServiceStub,
) -> None:
    response = service.ModelInfer(request("half_plus_two", X, id="one"), timeout=5)

    assert response == oip.ModelInferResponse(
        model_name="half_plus_two",
        model_version="123",
        id="one",
        outputs=[{"name": "y", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [2.5, 3]}}],
    )


def test_raw_tensors_get_a_raw_answer_v21(service: oip.GrpcInferenceServiceStub) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [2]}
    raw = np.array([1, 2], "<f4").tobytes()

    response = service.ModelInfer(
        request("half_plus_two", x, model_version="124", raw_input_contents=[raw]), timeout=5
    )

    assert response.model_version == "124"
    assert response.outputs[0] == oip.ModelInferResponse.InferOutputTensor(
        name="y", datatype="FP32", shape=[2]
    )
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [3.5, 4.0]


@pytest.mark.parametrize(
    ("model", "datatype", "field", "values"),
    [
        ("bool", "BOOL", "bool_contents", [True, False]),
        ("int8", "INT8", "int_contents", [-128, 127]),
        ("int16", "INT16", "int_contents", [-(2**15), 7]),
        ("int32", "INT32", "int_contents", [-(2**31), 7]),
        ("int64", "INT64", "int64_contents", [-(2**63), 7]),
        ("uint8", "UINT8", "uint_contents", [255, 0]),
        ("uint16", "UINT16", "uint_contents", [2**16 - 1, 0]),
        ("uint32", "UINT32", "uint_contents", [2**32 - 1, 0]),
        ("uint64", "UINT64", "uint64_contents", [2**64 - 1, 0]),
        ("float", "FP32", "fp32_contents", [0.5, float("inf")]),
        ("double", "FP64", "fp64_contents", [0.1, 7.0]),
        ("string", "BYTES", "bytes_contents", [b"\xff", b""]),
    ],
)
def test_each_datatype_has_its_field_v22(
    service: oip.GrpcInferenceServiceStub, model: str, datatype: str, field: str, values: list[Any]
) -> None:
    x = {"name": "x", "datatype": datatype, "shape": [2], "contents": {field: values}}

    response = service.ModelInfer(request(f"echo_{model}", x), timeout=5)

    assert list(getattr(response.outputs[0].contents, field)) == values
    assert (response.outputs[0].datatype, response.outputs[0].shape) == (datatype, [2])


@pytest.mark.parametrize(("model", "datatype"), [("half", "FP16"), ("bfloat16", "BF16")])
def test_sixteen_bit_floats_are_raw_only_v22(
    service: oip.GrpcInferenceServiceStub, model: str, datatype: str
) -> None:
    x = {"name": "x", "datatype": datatype, "shape": [2]}
    response = service.ModelInfer(
        request(f"echo_{model}", x, raw_input_contents=[b"\0\x3c\0\x40"]), timeout=5
    )

    assert response.raw_output_contents == [b"\0\x3c\0\x40"]
    typed = {**x, "contents": {"fp32_contents": [1, 2]}}
    assert refused(service.ModelInfer, request(f"echo_{model}", typed)) == (
        "INVALID_ARGUMENT",
        f'expected "x" in raw_input_contents: contents cannot carry {datatype}',
    )


@pytest.mark.parametrize(
    ("inputs", "fields", "details"),
    [
        ([X], {"raw_input_contents": [b"\0" * 8]}, 'expected "x" in raw_input_contents or in contents'),
        ([X], {"raw_input_contents": [b"", b""]}, "expected raw_input_contents for 1 inputs, received 2"),
        ([{**X, "contents": {}}], {"raw_input_contents": [b"\0"]}, 'expected "x" in raw_input_contents or'),
        ([{**X, "shape": [3]}], {}, 'expected 3 elements of "x" for shape [3], received 2'),
        ([{**X, "shape": [-2]}], {}, 'expected the shape of "x" without negative sizes, received [-2]'),
        ([{**X, "shape": [2**62, 2**62]}], {}, "expected at most 288230376151711744 elements"),
        ([{**X, "shape": [1, 2]}], {}, 'expected input "x" to be FP32 of shape [-1], received FP32'),
        (
            [{**X, "contents": {"int_contents": [1, 2]}}],
            {},
            'expected "x" in fp32_contents for FP32, received',
        ),
        (
            [{**X, "datatype": "FP64"}],
            {},
            'expected "x" in fp64_contents for FP64, received 2 values in fp32',
        ),
        ([{**X, "datatype": "NONE"}], {}, 'expected the datatype of "x" to be one of'),
        ([X, X], {}, 'expected each input once, received "x" twice'),
        ([], {}, "expected at least one input, received none"),
        ([{**X, "name": "z"}], {}, "input tensor alias not found in signature: z"),
        ([X], {"outputs": [{"name": "z"}]}, "output tensor alias not found in signature: z"),
        ([X], {"outputs": [{"name": "y"}, {"name": "y"}]}, "duplicate output tensor alias: y"),
        ([X], {"model_version": "one"}, "expected a version from 1 to 9223372036854775807, received one"),
        (
            [X],
            {"parameters": {"timeout": {"string_param": "1"}}},
            'expected the parameter "timeout" to be an',
        ),
    ],
)
def test_a_request_that_does_not_fit_is_told_what_would_v21_v23(
    service: oip.GrpcInferenceServiceStub, inputs: list[Any], fields: dict[str, Any], details: str
) -> None:
    code, words = refused(service.ModelInfer, request("half_plus_two", *inputs, **fields))

    assert code == "INVALID_ARGUMENT"
    assert words.startswith(details)


def test_values_are_never_bent_to_their_datatype_v22(service: oip.GrpcInferenceServiceStub) -> None:
    x = {"name": "x", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [128]}}

    code, details = refused(service.ModelInfer, request("echo_int8", x))

    assert code == "INVALID_ARGUMENT"
    assert details.startswith('expected INT8 values of "x"')


def test_only_the_outputs_that_are_asked_for_come_back_v21(service: oip.GrpcInferenceServiceStub) -> None:
    inputs = [
        {"name": "carrier", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"UA"]}},
        {"name": "distance", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [500]}},
        {"name": "night", "datatype": "BOOL", "shape": [1], "contents": {"bool_contents": [True]}},
    ]
    response = service.ModelInfer(
        request("flights", *inputs, outputs=[{"name": "night"}, {"name": "late"}]), timeout=5
    )

    assert [each.name for each in response.outputs] == ["night", "late"]


@pytest.mark.parametrize(
    ("model", "code"), [("guess", "NOT_FOUND"), ("failing", "INVALID_ARGUMENT"), ("", "NOT_FOUND")]
)
def test_refusals_keep_their_code_and_the_requests_id_v23(
    service: oip.GrpcInferenceServiceStub, model: str, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        service.ModelInfer(request(model, X), timeout=5, metadata=[("tidemill-request-id", "mine")])

    assert caught.value.code().name == code
    trailing = {item.key: str(item.value) for item in caught.value.trailing_metadata()}
    assert trailing["tidemill-request-id"] == "mine"


@pytest.mark.parametrize(
    ("timeout_seconds", "fields"),
    [
        pytest.param(0.1, {}, id="V23 the call's deadline"),
        pytest.param(
            5, {"parameters": {"timeout": {"int64_param": 100_000}}}, id="V10 the timeout parameter"
        ),
    ],
)
def test_a_caller_says_how_long_it_waits(
    service: oip.GrpcInferenceServiceStub, timeout_seconds: float, fields: dict[str, Any]
) -> None:
    code, _ = refused(service.ModelInfer, request("slow", X, **fields), timeout_seconds)

    assert code == "DEADLINE_EXCEEDED"


def test_a_stream_answers_each_request_and_goes_on_after_a_refusal_v20(
    service: oip.GrpcInferenceServiceStub,
) -> None:
    requests = [request("half_plus_two", X, id=str(number)) for number in range(3)]
    requests[1].model_name = "guess"

    responses = list(service.ModelStreamInfer(iter(requests), timeout=5))

    assert [each.infer_response.id for each in responses] == ["0", "1", "2"]
    assert [each.error_message for each in responses] == [
        "",
        "Servable not found for request: Latest(guess)",
        "",
    ]
    assert list(responses[2].infer_response.outputs[0].contents.fp32_contents) == [2.5, 3]
