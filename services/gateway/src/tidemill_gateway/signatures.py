"""What a model takes: its signatures, as the gateway needs them to read requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill_contracts import tensors, tfserving
from tidemill_gateway.errors import invalid

DEFAULT_SIGNATURE = "serving_default"

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
    """One input. `dtype` is None where JSON cannot carry the type; `json_types` are Python's, as parsed."""

    type_name: str
    dtype: np.dtype[Any] | None
    json_types: frozenset[type]


@dataclass(frozen=True)
class Signature:
    """One way to call a model; `inputs` by alias, in alphabetical order."""

    name: str
    inputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class ModelInfo:
    """One loaded version of a model. `signature_defs` is JSON in the form of TensorFlow Serving."""

    signatures: Mapping[str, Signature]
    signature_defs: Mapping[str, Any]

    def signature(self, name: str) -> Signature:
        """Return the signature; raise Refused when the model has none of this name, or it takes nothing."""
        if name not in self.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        signature = self.signatures[name]
        if not signature.inputs:
            raise invalid(f"Failed to get input map for signature: {name}")
        return signature


def tensor_spec(type_name: str) -> TensorSpec:
    """Describe an input of a TensorFlow type, named as TensorFlow does (`float`, `int64`, `half`)."""
    dtype, json_types = _CARRIED.get(type_name, (None, frozenset()))
    return TensorSpec(type_name, None if dtype is None else np.dtype(dtype), json_types)


def read_signatures(signature_map: tfserving.SignatureDefMap) -> Mapping[str, Signature]:
    """Convert the proto's signatures."""
    return {
        name: Signature(
            name,
            {alias: tensor_spec(type_name(info.dtype)) for alias, info in sorted(definition.inputs.items())},
        )
        for name, definition in signature_map.signature_def.items()
    }


def type_name(number: int) -> str:
    """Name a DataType number as TensorFlow prints it: `float`, `int64`, `complex64`."""
    return tensors.dtype_name(number).removeprefix("DT_").lower()
