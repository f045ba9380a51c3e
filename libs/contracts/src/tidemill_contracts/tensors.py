"""numpy arrays to and from TensorProto, without TensorFlow.

Fixed-size types are written as `tensor_content`, strings as `string_val`. Reading also accepts the typed
lists (`float_val`, `half_val`, ...) under TensorFlow's rule: a list shorter than the shape repeats its last
value, and an empty one means zeros.

numpy has no bfloat16: its 16 bits are carried as items of the dtype `V2`, which has no arithmetic. Arrays of
`ml_dtypes.bfloat16` can be written as they are, and what was read can be viewed as such.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidemill_contracts import tfserving

# numpy kind and item size: DataType number, list field. The numbers are part of TensorFlow's wire format.
_TYPES = {
    "f4": (1, "float_val"),
    "f8": (2, "double_val"),
    "i4": (3, "int_val"),
    "u1": (4, "int_val"),
    "i2": (5, "int_val"),
    "i1": (6, "int_val"),
    "O": (7, "string_val"),
    "c8": (8, "scomplex_val"),
    "i8": (9, "int64_val"),
    "b1": (10, "bool_val"),
    "u2": (17, "int_val"),
    "V2": (14, "half_val"),
    "c16": (18, "dcomplex_val"),
    "f2": (19, "half_val"),
    "u4": (22, "uint32_val"),
    "u8": (23, "uint64_val"),
}
_NUMPY_TYPES = {number: (np.dtype(code), field) for code, (number, field) in _TYPES.items()}
BFLOAT16_BITS = np.dtype("V2")
_STRING = 7
_MAX_RANK = 64
_MAX_ELEMENTS = 2**58
# A few bytes on the wire can ask for any shape; values that were not sent may fill this much memory, no more.
MAX_FILLED_BYTES = 256 * 2**20


class TensorError(ValueError):
    """A tensor that cannot be read or written; the message says what was expected and what came."""


def to_proto(values: ArrayLike) -> tfserving.TensorProto:
    """Return the values as a TensorProto of the same dtype and shape.

    Numeric and bool arrays of any layout; strings as `str` (sent as UTF-8) or `bytes`, in arrays of any kind.
    Raises TensorError for other dtypes, such as dates or structures.
    """
    array = np.asarray(values)
    shape = {"dim": [{"size": size} for size in array.shape]}
    if array.dtype.kind in "OSU":
        strings = _all_bytes(array.ravel().tolist())
        proto = tfserving.TensorProto(dtype=_STRING, string_val=strings, tensor_shape=shape)
    else:
        code = array.dtype.str[1:]
        if code not in _TYPES or array.dtype.names:
            raise TensorError(f"expected a bool, numeric or string array, received dtype {array.dtype}")
        native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        number = _TYPES[code][0]
        proto = tfserving.TensorProto(dtype=number, tensor_content=native.tobytes(), tensor_shape=shape)
    return proto


def to_array(proto: tfserving.TensorProto) -> NDArray[Any]:
    """Return the tensor as an array of the same shape; strings become an object array of `bytes`.

    The array may be a read-only view of the message's bytes. Raises TensorError if the content does not fit
    the shape, or the dtype has no numpy counterpart.
    """
    if proto.dtype not in _NUMPY_TYPES:
        raise TensorError(f"expected a bool, numeric or string tensor, received {dtype_name(proto.dtype)}")
    dtype, field = _NUMPY_TYPES[proto.dtype]
    shape = _shape(proto)
    if proto.tensor_content:
        return _from_content(proto, dtype, shape)
    values = _from_list(getattr(proto, field), dtype, field)
    return _filled(values, prod(shape), dtype).reshape(shape)


def dtype_name(number: int) -> str:
    """Return the name of a DataType number (`DT_FLOAT`), or `data type N` for one that is not defined."""
    names = tfserving.DataType.DESCRIPTOR.values_by_number
    return names[number].name if number in names else f"data type {number}"


def _all_bytes(items: list[Any]) -> list[bytes]:
    kinds = set(map(type, items))
    if kinds == {str}:
        return [item.encode() for item in items]
    return items if kinds == {bytes} else [_to_bytes(item) for item in items]


def _to_bytes(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise TensorError(f"expected str or bytes in an array of strings, received {type(item).__name__}")


def _shape(proto: tfserving.TensorProto) -> tuple[int, ...]:
    if proto.tensor_shape.unknown_rank:
        raise TensorError("expected a tensor with a known shape, received one of unknown rank")
    shape = tuple([dim.size for dim in proto.tensor_shape.dim])
    if len(shape) == 1 and 0 <= shape[0] <= _MAX_ELEMENTS:
        return shape
    if len(shape) > _MAX_RANK or min(shape, default=0) < 0 or prod(filter(None, shape)) > _MAX_ELEMENTS:
        raise TensorError(f"expected a shape that an array can have, received {list(shape)}")
    return shape


def _from_content(proto: tfserving.TensorProto, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if dtype.hasobject:
        raise TensorError("expected strings in string_val, received them in tensor_content")
    expected_bytes = prod(shape) * dtype.itemsize
    if len(proto.tensor_content) != expected_bytes:
        raise TensorError(
            f"expected {expected_bytes} bytes of tensor_content for {dtype} of shape {list(shape)}, "
            f"received {len(proto.tensor_content)}"
        )
    return np.frombuffer(proto.tensor_content, dtype).reshape(shape)


def _from_list(values: Iterable[Any], dtype: np.dtype[Any], field: str) -> NDArray[Any]:
    try:
        if field == "half_val":
            return np.array(values, np.uint16).view(dtype)
        if dtype.kind == "c":
            return np.array(values, f"f{dtype.itemsize // 2}").view(dtype)
        return np.array(values, dtype)
    except (OverflowError, ValueError) as error:
        raise TensorError(f"expected {field} to hold values of {dtype}: {error}") from error


def _filled(values: NDArray[Any], count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if len(values) == count:
        return values
    if len(values) > count:
        raise TensorError(f"expected at most {count} values for the shape, received {len(values)}")
    if count * dtype.itemsize > MAX_FILLED_BYTES:
        raise TensorError(f"expected {count} values for the shape, received {len(values)}")
    whole = np.full(count, b"", dtype) if dtype.hasobject else np.zeros(count, dtype)
    if len(values):
        whole[len(values) :] = values[-1]
    whole[: len(values)] = values
    return whole
