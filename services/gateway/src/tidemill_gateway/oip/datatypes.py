"""The datatypes of the Open Inference Protocol, as TensorFlow and numpy have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.errors import Code, Refused, invalid

_NUMBER = frozenset({int, float})
_INTEGER = frozenset({int})


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype. `contents` is the field that gRPC carries it in, empty where it is sent raw only.

    `type_name` is TensorFlow's, `dtype` little-endian, `json_types` are Python's, empty where JSON cannot
    carry it. The 16 bits of BF16 have the dtype `V2`, the strings of BYTES are objects.
    """

    name: str
    type_name: str
    dtype: np.dtype[Any]
    contents: str
    json_types: frozenset[type]

    @property
    def config_name(self) -> str:
        """Return the name that Triton's model configuration has for it."""
        return "TYPE_STRING" if self.name == "BYTES" else f"TYPE_{self.name}"


def _datatype(name: str, type_name: str, dtype: str, contents: str, json_types: frozenset[type]) -> Datatype:
    return Datatype(name, type_name, np.dtype(dtype), contents, json_types)


_ALL = (
    _datatype("BOOL", "bool", "?", "bool_contents", frozenset({bool})),
    _datatype("UINT8", "uint8", "u1", "uint_contents", _INTEGER),
    _datatype("UINT16", "uint16", "<u2", "uint_contents", _INTEGER),
    _datatype("UINT32", "uint32", "<u4", "uint_contents", _INTEGER),
    _datatype("UINT64", "uint64", "<u8", "uint64_contents", _INTEGER),
    _datatype("INT8", "int8", "i1", "int_contents", _INTEGER),
    _datatype("INT16", "int16", "<i2", "int_contents", _INTEGER),
    _datatype("INT32", "int32", "<i4", "int_contents", _INTEGER),
    _datatype("INT64", "int64", "<i8", "int64_contents", _INTEGER),
    _datatype("FP16", "half", "<f2", "", frozenset()),
    _datatype("BF16", "bfloat16", "V2", "", frozenset()),
    _datatype("FP32", "float", "<f4", "fp32_contents", _NUMBER),
    _datatype("FP64", "double", "<f8", "fp64_contents", _NUMBER),
    _datatype("BYTES", "string", "O", "bytes_contents", frozenset({str})),
)
_BY_NAME = {each.name: each for each in _ALL}
NAMES = tuple(_BY_NAME)
_BY_TYPE: Mapping[str, Datatype] = {each.type_name: each for each in _ALL}
_BY_CODE = {each.dtype.str[1:]: each for each in _ALL}


def named(name: object, tensor: str) -> Datatype:
    """Return the datatype that a request names for a tensor; raises Refused when there is none."""
    datatype = _BY_NAME.get(name) if isinstance(name, str) else None
    if datatype is None:
        raise invalid(
            f'expected the datatype of "{tensor}" to be one of {", ".join(_BY_NAME)}, received {name!r}'
        )
    return datatype


def of_type(type_name: str) -> Datatype | None:
    """Return the datatype for a TensorFlow type, None where the protocol has none."""
    return _BY_TYPE.get(type_name)


def shown(type_name: str) -> str:
    """Name a TensorFlow type as the protocol does, or as TensorFlow does where the protocol has no name."""
    datatype = _BY_TYPE.get(type_name)
    return type_name if datatype is None else datatype.name


def of_output(name: str, array: NDArray[Any]) -> Datatype:
    """Return the datatype of an output; raises Refused where the protocol has none."""
    datatype = _BY_CODE.get(array.dtype.str[1:])
    if datatype is None:
        raise Refused(
            Code.UNIMPLEMENTED,
            f'output "{name}" is {array.dtype.name}, for which the protocol has no datatype',
        )
    return datatype
