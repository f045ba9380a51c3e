"""Predict: named tensors in, named tensors out, checked against the signature."""

from collections.abc import Collection, Mapping
from typing import Any

import grpc
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.saved_model import Signature, TensorSpec
from tidemill_local.modelserver.servable import DEFAULT_SIGNATURE, Servable


def predict(servable: Servable, request: tfserving.PredictRequest) -> tfserving.PredictResponse:
    """Answer a Predict call with the outputs asked for, or all. Raises StatusError."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.model.signatures.get(name)
    if signature is None:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    inputs = _inputs(signature, request.inputs)
    wanted = _wanted_outputs(signature, request.output_filter)
    outputs = servable.run(signature, inputs, api="Predict")
    response = tfserving.PredictResponse(model_spec=servable.model_spec(name))
    for alias in wanted:
        response.outputs[alias].CopyFrom(tensors.to_proto(outputs[alias]))
    return response
