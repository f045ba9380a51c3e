"""A tensor's values in a request's JSON: flat in row-major order, or nested as its shape."""

from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.errors import invalid
from tidemill_gateway.oip.datatypes import Datatype
from tidemill_gateway.oip.shapes import MAX_RANK, check_count
from tidemill_gateway.quoting import json_type


def read_data(data: Any, datatype: Datatype, shape: tuple[int, ...], tensor: str) -> NDArray[Any]:
    """Return the tensor; strings are objects. Raises Refused when the values do not fit."""
    if not datatype.json_types:
        raise invalid(f'expected "{tensor}" as binary data: JSON cannot carry {datatype.name}')
    if type(data) is not list:
        raise invalid(f'expected the data of "{tensor}" to be a list, received {json_type(data)}')
    values = _flat(data, shape, tensor)
    check_count(len(values), shape, tensor)
    for kind in set(map(type, values)) - datatype.json_types:
        wrong = next(value for value in values if type(value) is kind)
        raise invalid(
            f'expected {datatype.name} values in the data of "{tensor}", received {json_type(wrong)}'
        )
    return _array(values, datatype, tensor).reshape(shape)


def _flat(data: list[Any], shape: tuple[int, ...], tensor: str) -> list[Any]:
    values, sizes = data, [len(data)]
    while list in (kinds := set(map(type, values))):
        lengths = set(map(len, values)) if kinds == {list} else set()
        if len(lengths) != 1 or len(sizes) == MAX_RANK:
            raise invalid(f'expected the lists in the data of "{tensor}" to be nested as shape {list(shape)}')
        sizes.append(lengths.pop())
        values = list(chain.from_iterable(values))
    if len(sizes) > 1 and tuple(sizes) != shape:
        raise invalid(
            f'expected the data of "{tensor}" flat or nested as shape {list(shape)}, received shape {sizes}'
        )
    return values


def _array(values: list[Any], datatype: Datatype, tensor: str) -> NDArray[Any]:
    try:
        array = np.array(values, datatype.dtype)
    except OverflowError as error:
        raise invalid(f'expected {datatype.name} values in the data of "{tensor}": {error}') from error
    # A sum is finite only if all it adds up is, and takes a third of the time of looking for infinities.
    if datatype.name == "FP32" and not isfinite(np.add.reduce(array)):
        begun_finite = np.isfinite(np.array(values, np.float64)) & np.isinf(array)
        if begun_finite.any():
            raise invalid(
                f'expected FP32 values in the data of "{tensor}", received {values[begun_finite.argmax()]!r}'
            )
    return array
