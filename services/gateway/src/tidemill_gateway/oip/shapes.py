"""Shapes as requests give them."""

from math import prod
from typing import Any

from tidemill_gateway.errors import Refused, invalid

# Of numpy and the model servers; what has more is no tensor of any model here.
MAX_RANK = 32
MAX_ELEMENTS = 2**58


def read_shape(sizes: Any, tensor: str) -> tuple[int, ...]:
    """Return a shape; raises Refused when it is none that a tensor can have."""
    if type(sizes) is not list:
        raise _no_shape(sizes, tensor)
    if len(sizes) > MAX_RANK:
        raise invalid(f'expected at most {MAX_RANK} dimensions of "{tensor}", received {len(sizes)}')
    elements = 1
    for size in sizes:
        if type(size) is not int:
            raise _no_shape(sizes, tensor)
        if size < 0:
            raise invalid(f'expected the shape of "{tensor}" without negative sizes, received {sizes}')
        elements *= size or 1
    if elements > MAX_ELEMENTS:
        raise invalid(f'expected at most {MAX_ELEMENTS} elements of "{tensor}", received shape {sizes}')
    return tuple(sizes)


def check_count(count: int, shape: tuple[int, ...], tensor: str) -> None:
    """Raise Refused unless there are as many elements as the shape says."""
    if count != prod(shape):
        raise invalid(
            f'expected {prod(shape)} elements of "{tensor}" for shape {list(shape)}, received {count}'
        )


def _no_shape(sizes: Any, tensor: str) -> Refused:
    return invalid(f'expected the shape of "{tensor}" to be a list of integers, received {str(sizes)[:80]}')
