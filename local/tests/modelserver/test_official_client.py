"""The stubs that ship with TensorFlow Serving, unmodified, against our server."""

from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture
def stub(server: Any) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(server.channel)


def with_examples(request: Any, signature: str, *values: float) -> Any:
    request.model_spec.name = "zero"
    request.model_spec.signature_name = signature
    for value in values:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(value)
    return request


def test_predict_t30(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "zero"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0, 3.0], tf.float32))

    reply = stub.Predict(request, timeout=10)

    assert tf.make_ndarray(reply.outputs["y"]).tolist() == [1.0, 1.5]
    assert reply.model_spec.version.value == 1


def test_classify_t30(stub: Any) -> None:
    request = with_examples(classification_pb2.ClassificationRequest(), "classify_x", 2, 4)

    reply = stub.Classify(request, timeout=10)

    classes = [[(found.label, found.score) for found in row.classes] for row in reply.result.classifications]
    assert classes == [[("half", 1)], [("half", 2)]]


def test_regress_with_a_context_shared_by_all_examples_t30(stub: Any) -> None:
    request = with_examples(regression_pb2.RegressionRequest(), "regress_x")
    source = request.input.example_list_with_context
    source.context.features.feature["x"].float_list.value.append(5)
    source.examples.add()

    assert [row.value for row in stub.Regress(request, timeout=10).result.regressions] == [2.5]


def test_multi_inference_t30(stub: Any) -> None:
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in {"classify_x": CLASSIFY, "regress_x": REGRESS}.items():
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = "zero", signature
    request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2)

    first, second = stub.MultiInference(request, timeout=10).results

    assert first.classification_result.classifications[0].classes[0].score == 1
    assert second.regression_result.regressions[0].value == 1
    assert second.model_spec.signature_name == "regress_x"


@pytest.mark.parametrize(
    ("signature", "values", "reason"),
    [
        ("regress_x", (), "Input is empty."),
        ("nope", (1,), "No signature was found with the name: nope"),
        ("serving_default", (1,), "Expected one input Tensor"),
        ("classify_x", (1,), "Expected one output Tensor"),
    ],
)
def test_a_wrong_regress_is_refused(
    stub: Any, signature: str, values: tuple[float, ...], reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        stub.Regress(with_examples(regression_pb2.RegressionRequest(), signature, *values), timeout=10)

    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in str(failure.value.details())


def test_metadata_t30(stub: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "zero"
    signatures = get_model_metadata_pb2.SignatureDefMap()

    stub.GetModelMetadata(request, timeout=10).metadata["signature_def"].Unpack(signatures)

    assert set(signatures.signature_def["regress_x"].inputs) == {"inputs"}


def test_status_t30(server: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "zero"

    (status,) = ModelServiceStub(server.channel).GetModelStatus(request, timeout=10).model_version_status

    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
