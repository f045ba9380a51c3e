"""What a model takes: its signatures, as the gateway needs them to read requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from tidemill_contracts import tensors, tfserving
from tidemill_gateway.errors import Code, Refused, invalid

DEFAULT_SIGNATURE = "serving_default"
EXPLAIN_SIGNATURE = "explain"

_NUMBER = frozenset({int, float})
_INTEGER = frozenset({int})
_CARRIED: Mapping[str, tuple[type[np.generic], frozenset[type]]] = {
    "float": (np.float32, _NUMBER),
    "double": (np.float64, _NUMBER),
    "int8": (np.int8, _INTEGER),
    "int16": (np.int16, _INTEGER),
    "int32": (np.int32, _INTEGER),
    "int64": (np.int64, _INTEGER),
    "uint8": (np.uint8, _INTEGER),
    "uint32": (np.uint32, _INTEGER),
    "uint64": (np.uint64, _INTEGER),
    "bool": (np.bool_, frozenset({bool})),
    "string": (np.object_, frozenset({str})),
}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. `dtype` is None where JSON cannot carry the type; `json_types` are Python's.

    `shape` has -1 for sizes that the model leaves open, and is None where it leaves open their number too.
    """

    type_name: str
    dtype: np.dtype[Any] | None
    json_types: frozenset[type]
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Signature:
    """One way to call a model; `inputs` and `outputs` by alias, in alphabetical order.

    `optional` are the inputs that have a default.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


class NoSignature(Refused):
    """The model has no signature of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            Code.INVALID_ARGUMENT, f'Serving signature name: "{name}" not found in signature def'
        )
        self.name = name


@dataclass(frozen=True)
class ModelInfo:
    """One loaded version of a model. `signature_defs` is JSON in the form of TensorFlow Serving."""

    signatures: Mapping[str, Signature]
    signature_defs: Mapping[str, Any]

    def signature(self, name: str) -> Signature:
        """Return the signature; raise Refused when the model has none of this name, or it takes nothing."""
        if name not in self.signatures:
            raise NoSignature(name)
        signature = self.signatures[name]
        if not signature.inputs:
            raise invalid(f"Failed to get input map for signature: {name}")
        return signature


def tensor_spec(type_name: str, shape: tuple[int, ...] | None = None) -> TensorSpec:
    """Describe a tensor of a TensorFlow type, named as TensorFlow does (`float`, `int64`, `half`)."""
    dtype, json_types = _CARRIED.get(type_name, (None, frozenset()))
    return TensorSpec(type_name, None if dtype is None else np.dtype(dtype), json_types, shape)


def read_signatures(signature_map: tfserving.SignatureDefMap) -> Mapping[str, Signature]:
    """Convert the proto's signatures."""
    return {
        name: Signature(
            name,
            _tensor_specs(definition.inputs),
            _tensor_specs(definition.outputs),
            frozenset(definition.defaults),
        )
        for name, definition in signature_map.signature_def.items()
    }


def model_info(signature_map: tfserving.SignatureDefMap) -> ModelInfo:
    """Describe a version by its signatures."""
    document = MessageToDict(
        signature_map, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return ModelInfo(read_signatures(signature_map), document)


def _tensor_specs(infos: Mapping[str, Any]) -> Mapping[str, TensorSpec]:
    return {alias: tensor_spec(type_name(info.dtype), _shape(info)) for alias, info in sorted(infos.items())}


def _shape(info: Any) -> tuple[int, ...] | None:
    shape = info.tensor_shape
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def type_name(number: int) -> str:
    """Name a DataType number as TensorFlow prints it: `float`, `int64`, `complex64`."""
    return tensors.dtype_name(number).removeprefix("DT_").lower()
