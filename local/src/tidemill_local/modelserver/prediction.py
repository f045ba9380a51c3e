"""Predict: named tensors in, named tensors out, checked against the signature."""

from collections.abc import Collection, Mapping
from typing import Any

import grpc
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.saved_model import Arrays, Signature, TensorSpec
from tidemill_local.modelserver.servable import Servable

DEFAULT_SIGNATURE = "serving_default"
BFLOAT16 = tf.bfloat16.as_numpy_dtype


def predict(servable: Servable, request: tfserving.PredictRequest) -> tfserving.PredictResponse:
    """Answer a Predict call with the outputs it asks for, or all. Raises StatusError."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.model.signatures.get(name)
    if signature is None:
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    wanted = _wanted(signature, request.output_filter)
    outputs = servable.run(signature, _inputs(signature, request.inputs), api="Predict")
    response = tfserving.PredictResponse(model_spec=servable.model_spec(name))
    for alias in wanted:
        response.outputs[alias].CopyFrom(_encoded(alias, outputs[alias]))
    return response


def _inputs(signature: Signature, sent: Mapping[str, tfserving.TensorProto]) -> Arrays:
    _check_size(signature, sent)
    for alias in sent:
        if alias not in signature.inputs:
            raise invalid(
                f"input tensor alias not found in signature: {alias}. "
                f"Inputs expected to be in the set {_set(signature.inputs)}."
            )
    arrays = {alias: _decoded(alias, tensor, signature.inputs[alias]) for alias, tensor in sent.items()}
    arrays = {**signature.defaults, **arrays}
    if missing := signature.inputs.keys() - arrays.keys():
        raise invalid(f"expected inputs {_set(signature.inputs)}, received none for {_set(missing)}")
    return arrays


def _check_size(signature: Signature, sent: Mapping[str, tfserving.TensorProto]) -> None:
    expected = signature.inputs.keys()
    if len(sent) > len(expected) or (len(sent) < len(expected) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_set(sent)}) != len({_set(expected)}). Sent extra: {_set(sent.keys() - expected)}. "
            f"Missing but required: {_set(expected - sent.keys())}."
        )


def _decoded(alias: str, tensor: tfserving.TensorProto, spec: TensorSpec) -> NDArray[Any]:
    if tensor.dtype == spec.dtype:
        try:
            array = tensors.to_array(tensor)
        except tensors.TensorError as error:
            raise invalid(f"tensor parsing error: {alias}: {error}") from error
        if _fits(array.shape, spec.shape):
            return array.view(BFLOAT16) if array.dtype == tensors.BFLOAT16_BITS else array
    raise invalid(
        f'expected input "{alias}" to be {tensors.dtype_name(spec.dtype)} of shape {_shape(spec.shape)}, '
        f"received {tensors.dtype_name(tensor.dtype)} of shape "
        f"{_shape(tuple(dim.size for dim in tensor.tensor_shape.dim))}"
    )


def _fits(shape: tuple[int, ...], declared: tuple[int, ...] | None) -> bool:
    if declared is None:
        return True
    return len(shape) == len(declared) and all(
        want in (-1, have) for have, want in zip(shape, declared, strict=True)
    )


def _wanted(signature: Signature, output_filter: Collection[str]) -> Collection[str]:
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_set(signature.outputs)}."
            )
        if list(output_filter).count(alias) > 1:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return output_filter or signature.outputs


def _encoded(alias: str, array: NDArray[Any]) -> tfserving.TensorProto:
    try:
        return tensors.to_proto(array)
    except tensors.TensorError as error:
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f'output "{alias}": {error}') from error


def _set(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "any" if shape is None else "[" + ",".join(map(str, shape)) + "]"
