"""The stubs that ship with TensorFlow Serving."""

# ruff: noqa: PT017 - there is no pytest in a client's environment

from typing import Any

import grpc as grpc_library
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

SECONDS = 10
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def _predictions(grpc: str) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(grpc_library.insecure_channel(grpc))


def _request(model: str = "half_plus_two", **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, values in (inputs or {"x": tf.constant([2.0, 3.0, 4.0])}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def _examples(request: Any, signature: str) -> Any:
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", signature
    request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2)
    return request


def _refused(grpc: str, request: Any, code: str) -> None:
    try:
        _predictions(grpc).Predict(request, timeout=SECONDS)
    except grpc_library.RpcError as error:
        assert error.code().name == code, f"{error.code()}: {error.details()}"
    else:
        raise AssertionError("answered")


def predict(_rest: str, grpc: str) -> None:
    answer = _predictions(grpc).Predict(_request(), timeout=SECONDS)
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [3.0, 3.5, 4.0]
    assert answer.model_spec.version.value == 123
    assert answer.model_spec.signature_name == "serving_default"


def predict_by_version_and_label(_rest: str, grpc: str) -> None:
    request = _request()
    request.model_spec.version.value = 123
    assert _predictions(grpc).Predict(request, timeout=SECONDS).model_spec.version.value == 123
    request.model_spec.version_label = "stable"
    assert _predictions(grpc).Predict(request, timeout=SECONDS).model_spec.version.value == 123


def output_filter(_rest: str, grpc: str) -> None:
    request = _request("pair", a=tf.constant([[1.0, 2.0]]), b=tf.constant([3], tf.int64))
    request.output_filter.append("sum")
    answer = _predictions(grpc).Predict(request, timeout=SECONDS)
    assert list(answer.outputs) == ["sum"]
    assert tf.make_ndarray(answer.outputs["sum"]).tolist() == [[4, 5]]


def strings(_rest: str, grpc: str) -> None:
    answer = _predictions(grpc).Predict(_request("text", name=tf.constant(["Zoë"])), timeout=SECONDS)
    assert tf.make_ndarray(answer.outputs["greeting"]).tolist() == ["hello Zoë".encode()]


def not_a_number(_rest: str, grpc: str) -> None:
    request = _request("not_a_number", x=tf.constant([0.0, 1.0, -1.0]))
    values = tf.make_ndarray(_predictions(grpc).Predict(request, timeout=SECONDS).outputs["y"])
    assert str(values.tolist()) == "[nan, inf, -inf]"


def classify(_rest: str, grpc: str) -> None:
    request = _examples(classification_pb2.ClassificationRequest(), "classify_x_to_y")
    (row,) = _predictions(grpc).Classify(request, timeout=SECONDS).result.classifications
    assert [each.score for each in row.classes] == [3.0]


def regress(_rest: str, grpc: str) -> None:
    request = _examples(regression_pb2.RegressionRequest(), "regress_x_to_y")
    answer = _predictions(grpc).Regress(request, timeout=SECONDS)
    assert [row.value for row in answer.result.regressions] == [3.0]
    assert answer.model_spec.version.value == 123


def multi_inference(_rest: str, grpc: str) -> None:
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in {"classify_x_to_y": CLASSIFY, "regress_x_to_y": REGRESS}.items():
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = "half_plus_two", signature
    request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2)
    first, second = _predictions(grpc).MultiInference(request, timeout=SECONDS).results
    assert first.classification_result.classifications[0].classes[0].score == 3
    assert second.regression_result.regressions[0].value == 3


def metadata(_rest: str, grpc: str) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "pair"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer = _predictions(grpc).GetModelMetadata(request, timeout=SECONDS)
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def["serving_default"].inputs) == {"a", "b"}


def status(_rest: str, grpc: str) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half_plus_two"
    stub = ModelServiceStub(grpc_library.insecure_channel(grpc))
    (version,) = stub.GetModelStatus(request, timeout=SECONDS).model_version_status
    assert (version.version, version.state) == (123, get_model_status_pb2.ModelVersionStatus.AVAILABLE)


def reload_is_refused(_rest: str, grpc: str) -> None:
    stub = ModelServiceStub(grpc_library.insecure_channel(grpc))
    try:
        stub.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), timeout=SECONDS)
    except grpc_library.RpcError as error:
        assert error.code() is grpc_library.StatusCode.PERMISSION_DENIED, error.code()
    else:
        raise AssertionError("answered")


def unknown_model(_rest: str, grpc: str) -> None:
    _refused(grpc, _request("guess"), "NOT_FOUND")


def unknown_signature(_rest: str, grpc: str) -> None:
    request = _request()
    request.model_spec.signature_name = "no"
    _refused(grpc, request, "FAILED_PRECONDITION")


def unknown_output(_rest: str, grpc: str) -> None:
    request = _request()
    request.output_filter.append("z")
    _refused(grpc, request, "INVALID_ARGUMENT")


def wrong_inputs(_rest: str, grpc: str) -> None:
    _refused(grpc, _request("pair", a=tf.constant([[1.0, 2.0]])), "INVALID_ARGUMENT")


CHECKS = (
    predict,
    predict_by_version_and_label,
    output_filter,
    strings,
    not_a_number,
    classify,
    regress,
    multi_inference,
    metadata,
    status,
    reload_is_refused,
    unknown_model,
    unknown_signature,
    unknown_output,
    wrong_inputs,
)
