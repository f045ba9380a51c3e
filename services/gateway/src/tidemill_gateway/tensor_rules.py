"""From JSON to tensors by the rules of TensorFlow Serving, value by value, with its words for what is wrong.

Slow and complete: it takes everything that is allowed, and refuses in the same order. `predict_request` does
the common case fast and comes here with the rest.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.quoting import json_type, quoted
from tidemill_gateway.signatures import Signature, TensorSpec

MAX_RANK = 32

_SEVERAL_INPUTS = "but expecting {} as multiple input tensors required as per tensorinfo_map"


@dataclass
class _Column:
    """The values of one input, row after row; every row has the shape of the first."""

    spec: TensorSpec
    values: list[Any] = field(default_factory=list)
    shape: tuple[int, ...] | None = None

    def add(self, item: Any) -> None:
        shape = _shape(item)
        count = len(self.values)
        _fill(item, 0, shape, self.spec, self.values)
        expected, size = self.shape, len(self.values) - count
        if expected is None:
            self.shape = shape
        elif size != np.prod(expected, dtype=int):
            raise invalid(f"Expecting tensor size: {np.prod(expected, dtype=int)} but got: {size}")
        elif shape != expected:
            raise invalid(f"Expecting shape {_shape_text(expected)} but got: {_shape_text(shape)}")

    def tensor(self, rows: int) -> NDArray[Any]:
        return _array(self.values, self.spec, (rows, *(self.shape or ())))


def read_rows(rows: list[Any], signature: Signature) -> Mapping[str, NDArray[Any]]:
    """Return the tensors of a non-empty `instances` list; raises Refused with what does not fit."""
    named = _is_object(rows[0])
    if not named and len(signature.inputs) > 1:
        raise invalid(f"instances is a plain list, {_SEVERAL_INPUTS.format('list of objects')}")
    columns = {name: _Column(spec) for name, spec in signature.inputs.items()}
    for number, row in enumerate(rows):
        if _is_object(row) != named:
            expected, received = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {expected} but got {received} at item {number} of input list")
        if named:
            _add_named(columns, row, number)
        else:
            _add(next(iter(columns.values())), row, f"element: {number}")
    return {name: column.tensor(len(rows)) for name, column in columns.items()}


def read_columns(inputs: Any, signature: Signature) -> Mapping[str, NDArray[Any]]:
    """Return the tensors of an `inputs` value; raises Refused with what does not fit."""
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise invalid(f"inputs is a plain value/list, {_SEVERAL_INPUTS.format('an object')}")
        inputs = dict.fromkeys(signature.inputs, inputs)
    tensors = {}
    for name, spec in signature.inputs.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        shape = _shape(inputs[name])
        values: list[Any] = []
        _fill(inputs[name], 0, shape, spec, values)
        tensors[name] = _array(values, spec, shape)
    return tensors


def _add_named(columns: Mapping[str, _Column], row: Mapping[str, Any], number: int) -> None:
    for name, item in row.items():
        _add(columns.get(name), item, f"element: {number} key: {name}", name)
    if row.keys() != columns.keys():
        raise invalid(
            f"Failed to process element: {number} of 'instances' list. JSON object: {quoted(row)} "
            f"keys must be equal to: {','.join(sorted(columns))}"
        )


def _add(column: _Column | None, item: Any, place: str, name: str = "") -> None:
    try:
        if column is None:
            raise invalid(f"JSON object: does not have named input: {name}")
        column.add(item)
    except Refused as error:
        raise Refused(
            error.code, f"Failed to process {place} of 'instances' list. Error: {error.code}: {error.message}"
        ) from error


def _shape(item: Any) -> tuple[int, ...]:
    shape = []
    while type(item) is list:
        shape.append(len(item))
        item = item[0] if item else None
    if len(shape) >= MAX_RANK:
        raise invalid(f"Expecting less than {MAX_RANK} levels of lists but got: {len(shape)}")
    return tuple(shape)


def _fill(item: Any, level: int, shape: tuple[int, ...], spec: TensorSpec, values: list[Any]) -> None:
    if type(item) is not list:
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quoted(item)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        values.append(_value(item, spec))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(item) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(item)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for each in item:
        _fill(each, level + 1, shape, spec, values)


def _value(item: Any, spec: TensorSpec) -> Any:
    if type(item) is dict and spec.type_name == "string":
        return decode_base64(item)
    if type(item) is not dict and spec.dtype is None:
        raise Refused(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value: {quoted(item)} to type: {spec.type_name}"
        )
    if type(item) not in spec.json_types or not _in_range(item, spec):
        raise invalid(
            f"JSON Value: {quoted(item)} Type: {json_type(item)} is not of expected type: {spec.type_name}"
        )
    return item


def _in_range(item: Any, spec: TensorSpec) -> bool:
    if spec.dtype is None or spec.dtype.kind not in "iu":
        return True
    limits = np.iinfo(spec.dtype)
    return bool(limits.min <= item <= limits.max)


def is_base64(item: Any) -> bool:
    """Whether a JSON value stands for bytes: an object with the one key `b64`, of a string."""
    return type(item) is dict and item.keys() == {"b64"} and type(item["b64"]) is str


def decode_base64(item: Mapping[str, Any]) -> bytes:
    """Return the bytes that a JSON object stands for; raises Refused when it stands for none."""
    if not is_base64(item):
        raise invalid(f"JSON Value: {quoted(item)} not formatted correctly for base64 data")
    text = "".join(item["b64"].split()).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise invalid("Unable to base64 decode") from error


def _is_object(item: Any) -> bool:
    return type(item) is dict and not is_base64(item)


def _array(values: list[Any], spec: TensorSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.array(values, spec.dtype).reshape(shape)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
