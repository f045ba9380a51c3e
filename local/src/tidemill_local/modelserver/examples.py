"""Classify, Regress and MultiInference: serialised tf.Examples in, classes or values out."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.prediction import DEFAULT_SIGNATURE
from tidemill_local.modelserver.saved_model import Signature
from tidemill_local.modelserver.servable import Servable

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def classify(
    servable: Servable, request: tfserving.ClassificationRequest
) -> tfserving.ClassificationResponse:
    """Answer a Classify call. Raises StatusError."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    result = _classification(servable, name, _serialised(request.input))
    return tfserving.ClassificationResponse(result=result, model_spec=servable.model_spec(name))


def regress(servable: Servable, request: tfserving.RegressionRequest) -> tfserving.RegressionResponse:
    """Answer a Regress call. Raises StatusError."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    result = _regression(servable, name, _serialised(request.input))
    return tfserving.RegressionResponse(result=result, model_spec=servable.model_spec(name))


def multi_inference(
    servable: Servable, request: tfserving.MultiInferenceRequest
) -> tfserving.MultiInferenceResponse:
    """Answer several Classify and Regress tasks over the same examples. Raises StatusError."""
    examples = _serialised(request.input)
    response = tfserving.MultiInferenceResponse()
    for name, task in _tasks(servable, request):
        result = response.results.add(model_spec=servable.model_spec(name))
        if task.method_name == CLASSIFY:
            result.classification_result.CopyFrom(_classification(servable, name, examples))
        elif task.method_name == REGRESS:
            result.regression_result.CopyFrom(_regression(servable, name, examples))
        else:
            raise StatusError(
                grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
    return response


def _tasks(
    servable: Servable, request: tfserving.MultiInferenceRequest
) -> Iterator[tuple[str, tfserving.InferenceTask]]:
    seen = set()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if task.model_spec.name != servable.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        if name in seen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        yield name, task


def _classification(servable: Servable, name: str, examples: NDArray[Any]) -> tfserving.ClassificationResult:
    signature = _signature(servable, name)
    if not signature.outputs <= {"classes", "scores"}:
        raise invalid(
            'Expected classification signature outputs to be "classes", "scores" or both. '
            f"Received: {sorted(signature.outputs)}"
        )
    outputs = servable.run(signature, {"inputs": examples}, api="Classify")
    shapes = {array.shape for array in outputs.values()}
    rows, columns = len(examples), min(shapes)[-1] if min(shapes) else 0
    if shapes != {(rows, columns)}:
        raise invalid(f"Expected Tensor shape: [{rows} num_classes] but got {sorted(shapes)}")
    labels = outputs.get("classes", np.full((rows, columns), b"", object))
    scores = outputs.get("scores", np.zeros((rows, columns), np.float32))
    if (labels.dtype, scores.dtype) != (np.dtype(object), np.dtype(np.float32)):
        raise invalid(
            f"Expected classes of DT_STRING and scores of DT_FLOAT. Got: {labels.dtype}, {scores.dtype}"
        )
    return tfserving.ClassificationResult(
        classifications=[
            {"classes": [{"label": label, "score": score} for label, score in zip(*row, strict=True)]}
            for row in zip(labels.tolist(), scores.tolist(), strict=True)
        ]
    )


def _regression(servable: Servable, name: str, examples: NDArray[Any]) -> tfserving.RegressionResult:
    signature = _signature(servable, name)
    if signature.outputs != {"outputs"}:
        raise invalid(f'Expected one output Tensor "outputs". Received: {sorted(signature.outputs)}')
    values = servable.run(signature, {"inputs": examples}, api="Regress")["outputs"]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {list(values.shape)}"
        )
    return tfserving.RegressionResult(regressions=[{"value": value} for value in values.ravel().tolist()])


def _signature(servable: Servable, name: str) -> Signature:
    signature = servable.model.signatures.get(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")
    if (
        signature.inputs.keys() != {"inputs"}
        or tensors.dtype_name(signature.inputs["inputs"].dtype) != "DT_STRING"
    ):
        received = {alias: tensors.dtype_name(spec.dtype) for alias, spec in signature.inputs.items()}
        raise invalid(f'Expected one input Tensor "inputs" of DT_STRING. Received: {received}')
    return signature


def _serialised(source: tfserving.Input) -> NDArray[Any]:
    """Return the examples as an array of bytes; a context is prepended, which merges it into each."""
    context = b""
    examples = source.example_list.examples
    if source.WhichOneof("kind") == "example_list_with_context":
        examples = source.example_list_with_context.examples
        context = source.example_list_with_context.context.SerializeToString()
    if not examples:
        raise invalid("Input is empty.")
    return np.array([context + example.SerializeToString() for example in examples], dtype=object)
