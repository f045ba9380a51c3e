"""Tensors as bytes: little-endian, row-major; each string after its length in four bytes."""

import struct
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.errors import invalid
from tidemill_gateway.oip.datatypes import Datatype
from tidemill_gateway.oip.shapes import check_count

_LENGTH = struct.Struct("<I")


def read_binary(data: memoryview, datatype: Datatype, shape: tuple[int, ...], tensor: str) -> NDArray[Any]:
    """Return the tensor, perhaps a read-only view; strings are `bytes`. Raises Refused if it does not fit."""
    if datatype.name == "BYTES":
        strings = list(_strings(data, tensor))
        check_count(len(strings), shape, tensor)
        array = np.empty(len(strings), np.object_)
        array[:] = strings
        return array.reshape(shape)
    expected_bytes = prod(shape) * datatype.dtype.itemsize
    if len(data) != expected_bytes:
        raise invalid(
            f'expected {expected_bytes} bytes of "{tensor}" for {datatype.name} of shape {list(shape)}, '
            f"received {len(data)}"
        )
    if datatype.name == "BOOL":
        return np.frombuffer(data, np.uint8).astype(np.bool_).reshape(shape)
    return np.frombuffer(data, datatype.dtype).reshape(shape)


def write_binary(array: NDArray[Any], datatype: Datatype) -> bytes:
    """Return the tensor's bytes."""
    if datatype.name != "BYTES":
        return array.astype(datatype.dtype, copy=False).tobytes()
    return b"".join(_LENGTH.pack(len(item)) + item for item in array.ravel())


def _strings(data: memoryview, tensor: str) -> Iterator[bytes]:
    begin = 0
    while begin < len(data):
        end = begin + _LENGTH.size
        if end <= len(data):
            end += _LENGTH.unpack_from(data, begin)[0]
        if end > len(data) or end < begin + _LENGTH.size:
            raise invalid(
                f'expected the bytes of "{tensor}" to end with a whole string, '
                f"received {len(data)} bytes where a string ends at {end}"
            )
        yield bytes(data[begin + _LENGTH.size : end])
        begin = end
