"""Golden predictions: rows that a model answered in training, to be answered alike wherever it serves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import tfserving
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.tensors import to_array, to_proto

# Float32 arithmetic in another process and batch: equal to the last digits, not always to the last bit.
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-5


def to_request(
    model: str, version: int, golden: GoldenPredictions, rows: slice = slice(None)
) -> tfserving.PredictRequest:
    """Return the request that asks one version for golden rows, all of them by default."""
    request = tfserving.PredictRequest(model_spec={"name": model, "version": {"value": version}})
    for name, column in golden.inputs.items():
        request.inputs[name].CopyFrom(to_proto(_column(column)[rows]))
    return request


def mismatch(golden: GoldenPredictions, outputs: Mapping[str, tfserving.TensorProto]) -> str | None:
    """Say in what answers differ from those given in training, by more than rounding; None if in nothing."""
    for name, answers in golden.outputs.items():
        expected = np.array(answers)
        if name not in outputs:
            return f"expected output {name}, received {sorted(outputs)}"
        received = to_array(outputs[name])
        if received.dtype == object:
            received = np.array([text.decode() for text in received.ravel()]).reshape(received.shape)
        if not _alike(expected, received):
            return f"output {name}: expected {_shown(expected)}, received {_shown(received)}"
    return None


def _alike(expected: NDArray[Any], received: NDArray[Any]) -> bool:
    are_texts = {array.dtype.kind == "U" for array in (expected, received)}
    if expected.shape != received.shape or len(are_texts) > 1:
        return False
    if are_texts == {True}:
        return bool((expected == received).all())
    return np.allclose(received, expected, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)


def _shown(array: NDArray[Any]) -> list[Any]:
    values: list[Any] = (array if array.dtype.kind == "U" else array.round(6)).tolist()
    return values


def _column(values: Sequence[float | str | None]) -> NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        return np.array([str(value).encode() for value in values], dtype=object)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)
