"""What clients of a model get: its own answers, who gave them, and errors in TensorFlow Serving's words."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving

CODE = grpc.StatusCode
RANDOM = np.random.default_rng(3)
COLUMNS = {
    "size": np.append([np.nan, 0.1, 1e6], RANDOM.normal(40, 20, 97)).astype(np.float32),
    "colour": np.append([b"red", b"", b"unseen"], RANDOM.choice([b"red", b"green"], 97)).astype(object),
}
Predict = Callable[..., tfserving.PredictResponse]


@pytest.fixture
def predict(server: Any) -> Predict:
    """`predict(model, {input: array}, **model spec)`."""
    stub = tfserving.PredictionServiceStub(server.channel)

    def call(name: str, inputs: Mapping[str, Any], outputs: tuple[str, ...] = (), **spec: Any) -> Any:
        request = tfserving.PredictRequest(
            model_spec={"name": name, **spec},
            inputs={alias: tensors.to_proto(values) for alias, values in inputs.items()},
            output_filter=outputs,
        )
        return stub.Predict(request, timeout=10)

    return call


def arrays(response: tfserving.PredictResponse) -> dict[str, NDArray[Any]]:
    return {alias: tensors.to_array(tensor) for alias, tensor in response.outputs.items()}


@pytest.mark.parametrize("model", ["keras", "trees"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_answers_equal_the_saved_models_own_to_the_last_bit(
    predict: Predict, models: Path, model: str, rows: int
) -> None:
    pytest.importorskip("ydf_tf")  # its import registers the operations that `trees` needs
    inputs = {name: column[:rows] for name, column in COLUMNS.items()}
    direct = tf.saved_model.load(str(models / model / "1")).signatures["serving_default"]
    expected = direct(**{name: tf.constant(column) for name, column in inputs.items()})

    received = arrays(predict(model, inputs))

    assert received.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(received[name], tensor.numpy())


@pytest.mark.parametrize("spec", [{}, {"version": {"value": 1}}, {"signature_name": "serving_default"}])
def test_the_response_names_the_model_version_and_signature_that_answered_t31(
    predict: Predict, spec: dict[str, Any]
) -> None:
    reply = predict("zero", {"x": np.array([1], np.float32)}, **spec)

    expected = {"name": "zero", "version": {"value": 1}, "signature_name": "serving_default"}
    assert reply.model_spec == tfserving.ModelSpec(**expected)


def test_only_the_outputs_asked_for_are_returned(predict: Predict) -> None:
    assert arrays(predict("zero", {"x": np.array([1, 2], np.float32)}, ("doubled",))) == {
        "doubled": pytest.approx([2, 4])
    }


def test_values_in_typed_lists_are_read_like_tensor_content(server: Any) -> None:
    request = tfserving.PredictRequest(model_spec={"name": "zero"})
    request.inputs["x"].MergeFrom(
        tfserving.TensorProto(dtype=1, tensor_shape={"dim": [{"size": 3}]}, float_val=[4])
    )

    reply = tfserving.PredictionServiceStub(server.channel).Predict(request, timeout=10)

    assert tensors.to_array(reply.outputs["y"]).tolist() == [2, 2, 2]


def test_floats_of_sixteen_bits_are_carried_whole(predict: Predict) -> None:
    inputs = {"half": np.array([3], np.float16), "brain": np.array([3], tf.bfloat16.as_numpy_dtype)}

    outputs = arrays(predict("zero", inputs, signature_name="halve"))

    assert outputs["half"].tolist() == [1.5]
    assert outputs["brain"].view(tf.bfloat16.as_numpy_dtype).tolist() == [1.5]


def test_more_than_grpcs_default_four_megabytes_go_through(predict: Predict) -> None:
    assert arrays(predict("zero", {"x": np.ones(2_000_000, np.float32)}))["y"].sum() == 1_000_000


X = {"x": np.array([1], np.float32)}
MISSING = "Sent extra: {}. Missing but required: {colour}."
REFUSED = {
    "no name": (("", X), {}, CODE.INVALID_ARGUMENT, "ModelSpec has no name specified."),
    "T5 unknown model": (("nope", X), {}, CODE.NOT_FOUND, "Servable not found for request: Latest(nope)"),
    "T5 failed model": (
        ("corrupt", X), {}, CODE.NOT_FOUND, "Servable not found for request: Latest(corrupt)",
    ),
    "T5 unknown version": (
        ("zero", X), {"version": {"value": 7}}, CODE.NOT_FOUND,
        "Servable not found for request: Specific(zero, 7)",
    ),
    "T6 unknown label": (
        ("zero", X), {"version_label": "best"}, CODE.INVALID_ARGUMENT,
        "Unrecognized servable version label: best",
    ),
    "T21 unknown signature": (
        ("zero", X), {"signature_name": "other"}, CODE.FAILED_PRECONDITION,
        'Serving signature key "other" not found.',
    ),
    "T32 missing input": (
        ("keras", {"size": np.array([1], np.float32)}), {}, CODE.INVALID_ARGUMENT,
        "input size does not match signature: 1!=2 len({size}) != len({colour,size}). " + MISSING,
    ),
    "T32 other input": (
        ("zero", {"z": np.array([1], np.float32)}), {}, CODE.INVALID_ARGUMENT,
        "input tensor alias not found in signature: z. Inputs expected to be in the set {x}.",
    ),
    "T32 other dtype": (
        ("zero", {"x": np.array([1], np.float64)}), {}, CODE.INVALID_ARGUMENT,
        'expected input "x" to be DT_FLOAT of shape [-1], received DT_DOUBLE of shape [1]',
    ),
    "T32 other shape": (
        ("zero", {"x": np.array([[1]], np.float32)}), {}, CODE.INVALID_ARGUMENT,
        'expected input "x" to be DT_FLOAT of shape [-1], received DT_FLOAT of shape [1,1]',
    ),
    "T32 unknown output": (
        ("zero", X, ("z",)), {}, CODE.INVALID_ARGUMENT,
        "output tensor alias not found in signature: z Outputs expected to be in the set {doubled,y}.",
    ),
    "T32 doubled output": (
        ("zero", X, ("y", "y")), {}, CODE.INVALID_ARGUMENT, "duplicate output tensor alias: y",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "spec", "code", "details"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused_as_tensorflow_serving_does(
    predict: Predict, arguments: tuple[Any, ...], spec: dict[str, Any], code: grpc.StatusCode, details: str
) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        predict(*arguments, **spec)

    assert (failure.value.code(), failure.value.details()) == (code, details)


def test_an_error_of_the_model_itself_keeps_its_code_and_text(predict: Predict) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        predict("zero", {"text": np.array([b"abc"], object)}, signature_name="parse")

    assert failure.value.code() is CODE.INVALID_ARGUMENT
    assert "could not correctly convert string: abc" in str(failure.value.details())


def test_a_long_error_is_cut_t13(predict: Predict) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        predict("n" * 2000, X)

    assert str(failure.value.details()).endswith("nnn...TRUNCATED")
    assert len(str(failure.value.details())) == 1024 + len("...TRUNCATED")


def test_a_request_without_model_spec_is_refused(server: Any) -> None:
    with pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
        tfserving.PredictionServiceStub(server.channel).Predict(tfserving.PredictRequest(), timeout=10)


def test_metadata_has_the_signatures_of_the_model(server: Any) -> None:
    request = tfserving.GetModelMetadataRequest(
        model_spec={"name": "keras"}, metadata_field=["signature_def"]
    )
    reply = tfserving.PredictionServiceStub(server.channel).GetModelMetadata(request, timeout=10)

    signatures = tfserving.SignatureDefMap()
    reply.metadata["signature_def"].Unpack(signatures)
    inputs = signatures.signature_def["serving_default"].inputs
    assert {alias: tensors.dtype_name(info.dtype) for alias, info in inputs.items()} == {
        "size": "DT_FLOAT",
        "colour": "DT_STRING",
    }
    assert reply.model_spec == tfserving.ModelSpec(name="keras", version={"value": 1})


@pytest.mark.parametrize("fields", [[], ["signature_def", "graph"]])
def test_metadata_of_another_kind_is_refused_t32(server: Any, fields: list[str]) -> None:
    request = tfserving.GetModelMetadataRequest(model_spec={"name": "keras"}, metadata_field=fields)

    with pytest.raises(grpc.RpcError) as failure:
        tfserving.PredictionServiceStub(server.channel).GetModelMetadata(request, timeout=10)
    assert failure.value.code() is CODE.INVALID_ARGUMENT


def test_bytes_that_are_no_message_are_an_invalid_argument_t30(server: Any) -> None:
    predict = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    with pytest.raises(grpc.RpcError, match="Error parsing message") as failure:
        predict(b"\x0a\xff", timeout=10)
    assert failure.value.code() is CODE.INVALID_ARGUMENT
