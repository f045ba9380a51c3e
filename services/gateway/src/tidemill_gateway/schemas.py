"""JSON Schemas of tensors as requests and answers carry them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill_gateway.signatures import TensorSpec

Schema = Mapping[str, Any]

STRING: Schema = {"type": "string"}
OPTIONAL_STRING: Schema = {"type": ["string", "null"]}
ERROR: Schema = {"type": "object", "required": ["error"], "properties": {"error": STRING}}
BASE64: Schema = {
    "type": "object",
    "required": ["b64"],
    "additionalProperties": False,
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
}
_BITS = {
    "int8": 8,
    "int16": 16,
    "int32": 32,
    "int64": 64,
    "uint8": 8,
    "uint16": 16,
    "uint32": 32,
    "uint64": 64,
}
_EXAMPLES: Mapping[str, Any] = {"bool": True, "string": "text"}
_MAX_EXAMPLE_VALUES = 64


def scalar(type_name: str) -> Schema:
    """Return the schema of one value; JSON has none for half, bfloat16 and complex numbers."""
    bits = _BITS.get(type_name)
    if bits:
        low, high = (0, 2**bits - 1) if type_name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": high}
    if type_name in ("float", "double"):
        return {"type": "number", "format": type_name}
    if type_name == "bool":
        return {"type": "boolean"}
    return STRING if type_name == "string" else {"not": {}}


def given(type_name: str) -> Schema:
    """Return the schema of one value in a request of TensorFlow Serving's API: bytes may be base64."""
    return {"anyOf": [STRING, BASE64]} if type_name == "string" else scalar(type_name)


def answered(alias: str, type_name: str) -> Schema:
    """Return the schema of one value in an answer of TensorFlow Serving's API.

    It writes what is not finite as NaN, Infinity and -Infinity, for which JSON Schema has no words.
    """
    return BASE64 if type_name == "string" and alias.endswith("_bytes") else scalar(type_name)


def nested(value: Schema, shape: Sequence[int] | None) -> Schema:
    """Return the schema of lists of lists of a shape; -1 is any size. None: any depth."""
    if shape is None:
        return {"description": "A value, or lists of values of any depth."}
    schema = value
    for size in reversed(shape):
        sizes = {} if size < 0 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **sizes}
    return schema


def row_shape(spec: TensorSpec) -> tuple[int, ...] | None:
    """Return the shape of one row: what is left without the first size."""
    return None if spec.shape is None else spec.shape[1:]


def example(spec: TensorSpec, shape: Sequence[int] | None) -> Any:
    """Return a value of the shape, sizes left open being one."""
    value = _EXAMPLES.get(spec.type_name, 1.0 if spec.type_name in ("float", "double") else 1)
    sizes = [max(size, 1) for size in shape or ()]
    if _product(sizes) > _MAX_EXAMPLE_VALUES:
        return value
    for size in reversed(sizes):
        value = [value] * size
    return value


def flat_example(spec: TensorSpec) -> tuple[list[int], list[Any]]:
    """Return a shape and its values in a row, sizes left open being one."""
    shape = [max(size, 1) for size in spec.shape or ()]
    return shape, [example(spec, ())] * min(_product(shape), _MAX_EXAMPLE_VALUES)


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
