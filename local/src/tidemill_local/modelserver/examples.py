"""Classify, Regress and MultiInference: serialised tf.Examples in, classes or values out."""

from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.prediction import DEFAULT_SIGNATURE
from tidemill_local.modelserver.saved_model import Arrays, Signature
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
    names = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in request.tasks]
    examples = _serialised(request.input)
    response = tfserving.MultiInferenceResponse()
    for name, task in zip(names, request.tasks, strict=True):
        if task.model_spec.name != servable.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        if names.count(name) > 1:
            raise invalid(f"Duplicate evaluation of signature: {name}")
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


def _classification(
    servable: Servable, name: str, examples: NDArray[Any]
) -> tfserving.ClassificationResult:
    signature = _signature(servable, name)
    if not signature.outputs <= {"classes", "scores"} or not signature.outputs:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Received: {sorted(signature.outputs)}"
        )
    outputs = servable.run(signature, {"inputs": examples}, api="Classify")
    for alias, dtype in {"classes": "O", "scores": "f4"}.items():
        _check_rows(outputs, alias, dtype, len(examples))
    labels, scores = outputs.get("classes"), outputs.get("scores")
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise invalid(f"Tensors class and score should match in shape. Got {labels.shape} vs. {scores.shape}")
    result = tfserving.ClassificationResult()
    for row in range(len(examples)):
        classes = result.classifications.add().classes
        for column in range(next(iter(outputs.values())).shape[1]):
            found = classes.add()
            if labels is not None:
                found.label = labels[row, column]
            if scores is not None:
                found.score = scores[row, column]
    return result
