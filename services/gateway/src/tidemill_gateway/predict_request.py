"""From a predict request's JSON to tensors, column by column. What does not fit goes to `tensor_rules`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway import tensor_rules
from tidemill_gateway.errors import invalid
from tidemill_gateway.quoting import quoted
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec


@dataclass(frozen=True)
class PredictInputs:
    """Tensors by input alias. `by_row`: the answer is due row by row, not column by column."""

    by_row: bool
    tensors: Mapping[str, NDArray[Any]]


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the signature a request names, or the default one; raises Refused when it is no string."""
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise invalid(
            f"JSON Value: {quoted(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def joinable_rows(document: Mapping[str, Any]) -> list[Any] | None:
    """Return the rows of a request that asks row by row; None for any other, well formed or not."""
    rows = document.get("instances")
    return rows if type(rows) is list and rows and "inputs" not in document else None


# Numbers beyond float32 become infinite, as they do in TensorFlow Serving.
@np.errstate(over="ignore")
def read_inputs(document: Mapping[str, Any], signature: Signature) -> PredictInputs:
    """Return the tensors in `instances` (rows) or `inputs` (columns).

    Floats are float32 or float64 as the signature says, strings object arrays of `str` or `bytes`. Raises
    Refused, with the words of TensorFlow Serving, when they do not fit the signature.
    """
    has_rows, has_columns = "instances" in document, "inputs" in document
    if has_rows and has_columns:
        raise invalid(
            f"JSON Value: {quoted(document)} Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist "
        )
    if has_rows:
        return PredictInputs(by_row=True, tensors=_from_rows(document, signature))
    if has_columns:
        return PredictInputs(by_row=False, tensors=_from_columns(document["inputs"], signature))
    raise invalid("Missing 'inputs' or 'instances' key")


@np.errstate(over="ignore")
def read_rows(rows: list[Any], signature: Signature) -> Mapping[str, NDArray[Any]] | None:
    """Return the tensors of rows that all have the signature's inputs, each as it is; None for others."""
    columns = _columns_of(rows, signature)
    return _dense_columns(columns, signature) if columns else None


def _from_rows(document: Mapping[str, Any], signature: Signature) -> Mapping[str, NDArray[Any]]:
    rows = document["instances"]
    if type(rows) is not list:
        raise invalid(f"JSON Value: {quoted(document)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {quoted(document)} No values in 'instances' array")
    return read_rows(rows, signature) or tensor_rules.read_rows(rows, signature)


def _columns_of(rows: list[Any], signature: Signature) -> Mapping[str, Sequence[Any]] | None:
    """Turn rows into columns; None unless every row is an object of the signature's inputs, or none is."""
    kinds = set(map(type, rows))
    if dict not in kinds:
        return dict.fromkeys(signature.inputs, rows) if len(signature.inputs) == 1 else None
    # An object with `b64` alone is a value, not a row.
    if kinds != {dict} or set(map(len, rows)) != {len(signature.inputs)} or "b64" in signature.inputs:
        return None
    names = tuple(signature.inputs)
    try:
        if len(names) == 1:
            return {names[0]: [row[names[0]] for row in rows]}
        return dict(zip(names, zip(*map(itemgetter(*names), rows), strict=True), strict=True))
    except KeyError:
        return None


def _from_columns(inputs: Any, signature: Signature) -> Mapping[str, NDArray[Any]]:
    if type(inputs) is dict and signature.inputs.keys() <= inputs.keys():
        tensors = _dense_columns({name: [inputs[name]] for name in signature.inputs}, signature)
        if tensors is not None:
            return {name: tensor.reshape(tensor.shape[1:]) for name, tensor in tensors.items()}
    return tensor_rules.read_columns(inputs, signature)


def _dense_columns(
    columns: Mapping[str, Sequence[Any]], signature: Signature
) -> dict[str, NDArray[Any]] | None:
    tensors = {}
    for name, values in columns.items():
        tensor = _dense(values, signature.inputs[name])
        if tensor is None:
            return None
        tensors[name] = tensor
    return tensors


def _dense(values: Sequence[Any], spec: TensorSpec) -> NDArray[Any] | None:
    """Return a column as a tensor `[rows, ...]`; None unless it is regular and its values fit as they are."""
    shape = [len(values)]
    while values and type(values[0]) is list:
        size = len(values[0])
        if set(map(type, values)) != {list} or set(map(len, values)) != {size}:
            return None
        values = list(chain.from_iterable(values))
        shape.append(size)
    fits = spec.dtype is not None and spec.json_types.issuperset(map(type, values))
    if not fits or len(shape) > tensor_rules.MAX_RANK:
        return None
    try:
        return np.array(values, spec.dtype).reshape(shape)
    except OverflowError:
        return None
