"""TensorFlow Serving's gRPC API on the gateway, and gRPC's health checks."""

from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from prometheus_client import REGISTRY

from tidemill_contracts import tensors, tfserving

FLOATS = np.array([2, 3], np.float32)
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture
def service(channel: grpc.Channel) -> tfserving.PredictionServiceStub:
    return tfserving.PredictionServiceStub(channel)


@pytest.fixture
def model_service(channel: grpc.Channel) -> tfserving.ModelServiceStub:
    return tfserving.ModelServiceStub(channel)


def predict_request(model: str, *, wanted: tuple[str, ...] = (), spec: Any = None, **inputs: Any) -> Any:
    request = tfserving.PredictRequest(model_spec={"name": model, **(spec or {})}, output_filter=wanted)
    for alias, values in inputs.items():
        request.inputs[alias].CopyFrom(tensors.to_proto(values))
    return request


def examples(*values: float) -> Any:
    example = {"features": {"feature": {"x": {"float_list": {"value": values}}}}}
    return {"example_list": {"examples": [example]}}


def refused(call: Any, request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=5)
    return caught.value.code().name, caught.value.details() or ""


@pytest.mark.parametrize(
    ("spec", "version", "signature", "values"),
    [
        pytest.param({}, 123, "serving_default", [3.0, 3.5], id="T31 neither"),
        pytest.param({"version": {"value": 124}}, 124, "serving_default", [4.0, 4.5], id="T31 version"),
        pytest.param({"version_label": "canary"}, 124, "serving_default", [4.0, 4.5], id="T31 label"),
        pytest.param({"signature_name": "other"}, 123, "other", [3.0, 3.5], id="T31 signature"),
    ],
)
def test_an_answer_names_what_was_meant(
    service: tfserving.PredictionServiceStub,
    spec: dict[str, Any],
    version: int,
    signature: str,
    values: list[float],
) -> None:
    response = service.Predict(predict_request("half_plus_two", spec=spec, x=FLOATS), timeout=5)

    expected = {"name": "half_plus_two", "version": {"value": version}, "signature_name": signature}
    assert response.model_spec == tfserving.ModelSpec(**expected)
    assert tensors.to_array(response.outputs["y"]).tolist() == values


@pytest.mark.parametrize("name", ["complex64", "half", "string", "bool", "uint16"])
def test_every_type_goes_both_ways_t30(service: tfserving.PredictionServiceStub, name: str) -> None:
    values = {"complex64": [1 + 2j], "string": [b"\xff"], "bool": [True]}.get(name, [7])
    kinds = {"half": "f2", "string": "O", "complex64": "c8"}
    sent = tensors.to_proto(np.array(values, kinds.get(name, name)))
    request = tfserving.PredictRequest(model_spec={"name": f"echo_{name}"}, inputs={"x": sent})

    assert service.Predict(request, timeout=5).outputs["y"] == sent


def test_only_the_outputs_that_are_asked_for_come_back_t32(service: tfserving.PredictionServiceStub) -> None:
    inputs = {"carrier": ["UA"], "distance": FLOATS[:1], "night": [True]}

    response = service.Predict(predict_request("flights", wanted=("night", "late"), **inputs), timeout=5)

    assert set(response.outputs) == {"night", "late"}


@pytest.mark.parametrize(
    ("arguments", "code", "details"),
    [
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "wanted": ("z",)},
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
            id="T32 output",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "wanted": ("y", "y")},
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
            id="T32 output twice",
        ),
        pytest.param(
            {"model": "half_plus_two"},
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). "
            "Sent extra: {}. Missing but required: {x}.",
            id="T32 missing input",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "z": FLOATS},
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}.",
            id="T32 extra input",
        ),
        pytest.param(
            {"model": "half_plus_two", "z": FLOATS},
            "INVALID_ARGUMENT",
            "input tensor alias not found in signature: z. Inputs expected to be in the set {x}.",
            id="T32 unknown input",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": np.array([1])},
            "INVALID_ARGUMENT",
            'expected input "x" to be DT_FLOAT of shape [-1], received DT_INT64 of shape [1]',
            id="T32 type",
        ),
        pytest.param(
            {"model": "pairs", "x": FLOATS},
            "INVALID_ARGUMENT",
            'expected input "x" to be DT_FLOAT of shape [-1, 2], received DT_FLOAT of shape [2]',
            id="T32 shape",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "spec": {"signature_name": "guess"}},
            "FAILED_PRECONDITION",
            'Serving signature key "guess" not found.',
            id="T21 signature",
        ),
        pytest.param(
            {"model": "guess", "x": FLOATS},
            "NOT_FOUND",
            "Servable not found for request: Latest(guess)",
            id="T5 model",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "spec": {"version": {"value": 9}}},
            "NOT_FOUND",
            "Servable not found for request: Specific(half_plus_two, 9)",
            id="T5 version",
        ),
        pytest.param(
            {"model": "half_plus_two", "x": FLOATS, "spec": {"version_label": "guess"}},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: guess",
            id="T6 label",
        ),
        pytest.param({"model": "", "x": FLOATS}, "INVALID_ARGUMENT", "Missing ModelSpec", id="T30 no model"),
    ],
)
def test_what_does_not_fit_is_refused_in_tensorflow_servings_words(
    service: tfserving.PredictionServiceStub, arguments: dict[str, Any], code: str, details: str
) -> None:
    received_code, received = refused(service.Predict, predict_request(**arguments))

    assert received_code == code
    assert received.startswith(details)


def test_a_tensor_that_contradicts_itself_is_refused_t32(service: tfserving.PredictionServiceStub) -> None:
    request = predict_request("half_plus_two", x=FLOATS)
    request.inputs["x"].tensor_content = b"\0"

    code, details = refused(service.Predict, request)

    assert code == "INVALID_ARGUMENT"
    assert details.startswith("tensor parsing error: x: expected 8 bytes of tensor_content")


def test_classify_and_regress_name_what_was_meant_t30_t31(service: tfserving.PredictionServiceStub) -> None:
    spec = {"name": "half_plus_two", "version_label": "canary"}
    classified = service.Classify(
        tfserving.ClassificationRequest(model_spec=spec, input=examples(2)), timeout=5
    )
    regressed = service.Regress(tfserving.RegressionRequest(model_spec=spec, input=examples(2)), timeout=5)

    assert classified.result.classifications[0].classes[0].score == 3
    assert regressed.result.regressions[0].value == 3
    assert (classified.model_spec.version.value, regressed.model_spec.version.value) == (124, 124)


def test_several_inferences_of_the_same_examples_are_one_answer_t30(
    service: tfserving.PredictionServiceStub,
) -> None:
    tasks = [
        {"model_spec": {"name": "half_plus_two"}, "method_name": CLASSIFY},
        {"model_spec": {"name": "half_plus_two", "signature_name": "other"}, "method_name": REGRESS},
    ]

    response = service.MultiInference(
        tfserving.MultiInferenceRequest(tasks=tasks, input=examples(2)), timeout=5
    )

    first, second = response.results
    assert first.classification_result.classifications[0].classes[0].score == 3
    assert second.regression_result.regressions[0].value == 3
    assert [each.model_spec.signature_name for each in response.results] == ["serving_default", "other"]
    assert {each.model_spec.version.value for each in response.results} == {123}


@pytest.mark.parametrize(
    ("second", "code", "details"),
    [
        ({"model_spec": {"name": "half_plus_two"}}, "INVALID_ARGUMENT", "Duplicate evaluation of signature"),
        (
            {"model_spec": {"name": "flights"}},
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest",
        ),
        (
            {"model_spec": {"name": "half_plus_two", "signature_name": "other"}, "method_name": "guess"},
            "UNIMPLEMENTED",
            "Unsupported signature method_name: guess",
        ),
    ],
)
def test_inferences_that_do_not_belong_together_are_refused_t30(
    service: tfserving.PredictionServiceStub, second: dict[str, Any], code: str, details: str
) -> None:
    first = {"model_spec": {"name": "half_plus_two"}, "method_name": CLASSIFY}
    tasks = [first, {"method_name": CLASSIFY, **second}]
    request = tfserving.MultiInferenceRequest(tasks=tasks, input=examples(2))

    received_code, received = refused(service.MultiInference, request)

    assert received_code == code
    assert received.startswith(details)


def test_a_hundred_thousand_inferences_are_refused_as_soon_as_two(
    service: tfserving.PredictionServiceStub,
) -> None:
    names = [f"signature-{number}" for number in range(100_000)]
    tasks = [
        {"model_spec": {"name": "half_plus_two", "signature_name": name}, "method_name": CLASSIFY}
        for name in (*names, names[-1])
    ]

    with pytest.raises(grpc.RpcError) as refusal:
        service.MultiInference(tfserving.MultiInferenceRequest(tasks=tasks), timeout=60)

    assert refusal.value.details() == f"Duplicate evaluation of signature: {names[-1]}"


def test_no_inferences_are_refused_t30(service: tfserving.PredictionServiceStub) -> None:
    assert refused(service.MultiInference, tfserving.MultiInferenceRequest())[0] == "INVALID_ARGUMENT"


def test_metadata_is_the_same_over_grpc_and_rest_t30(
    service: tfserving.PredictionServiceStub, client: httpx.Client
) -> None:
    request = tfserving.GetModelMetadataRequest(
        model_spec={"name": "half_plus_two", "version_label": "canary"}, metadata_field=["signature_def"]
    )

    response = service.GetModelMetadata(request, timeout=5)

    definitions = tfserving.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(definitions)
    assert response.model_spec.version.value == 124
    assert definitions.signature_def["other"].inputs["x"].dtype == tfserving.DataType.Value("DT_FLOAT")
    rest = client.get("/v1/models/half_plus_two/labels/canary/metadata").json()
    assert rest["metadata"]["signature_def"]["signature_def"].keys() == set(definitions.signature_def)


@pytest.mark.parametrize("fields", [[], ["other"], ["signature_def", "other"]])
def test_metadata_is_of_signatures_alone_t32(
    service: tfserving.PredictionServiceStub, fields: list[str]
) -> None:
    request = tfserving.GetModelMetadataRequest(model_spec={"name": "flights"}, metadata_field=fields)

    assert refused(service.GetModelMetadata, request)[0] == "INVALID_ARGUMENT"


def test_status_tells_every_version_t30(model_service: tfserving.ModelServiceStub) -> None:
    response = model_service.GetModelStatus(
        tfserving.GetModelStatusRequest(model_spec={"name": "half_plus_two"}), timeout=5
    )

    available = tfserving.ModelVersionStatus.State.Value("AVAILABLE")
    statuses = response.model_version_status
    assert [(each.version, each.state) for each in statuses] == [(123, available), (124, available)]


def test_status_of_what_is_not_there_is_not_found_t30(model_service: tfserving.ModelServiceStub) -> None:
    unknown = tfserving.GetModelStatusRequest(model_spec={"name": "guess"})
    missing = tfserving.GetModelStatusRequest(model_spec={"name": "half_plus_two", "version": {"value": 9}})

    assert refused(model_service.GetModelStatus, unknown)[0] == "NOT_FOUND"
    assert refused(model_service.GetModelStatus, missing)[0] == "NOT_FOUND"


def test_models_are_not_configured_by_callers_t30(model_service: tfserving.ModelServiceStub) -> None:
    code, _ = refused(model_service.HandleReloadConfigRequest, tfserving.ReloadConfigRequest())

    assert code == "PERMISSION_DENIED"


def test_answers_are_measured_as_grpc_and_tfs(service: tfserving.PredictionServiceStub) -> None:
    labels = {
        "model": "half_plus_two",
        "version": "123",
        "signature": "serving_default",
        "variant": "",
        "protocol": "grpc",
        "api": "tfs",
        "code": "OK",
    }
    before = REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) or 0

    _, call = service.Predict.with_call(predict_request("half_plus_two", x=FLOATS), timeout=5)

    assert REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) == before + 1
    assert dict(call.trailing_metadata())["tidemill-model-version"] == "123"
