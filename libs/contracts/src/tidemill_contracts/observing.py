"""How gateways sum up what they see of a version, so that serving can judge it: the buckets both go by.

Of a version's outputs one stands for its answer: `probability`, else `probabilities`, `class` or `value`, as
the trainer names them, else the first by name. An answer is unsound when a number in any output is NaN or
infinite.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

# Upper bounds, ten to a decade; one more bucket holds what took longer.
LATENCY_SECONDS = tuple(round(10 ** (tenth / 10), 6) for tenth in range(-40, 11))

# Answers further apart than this differ by more than the order of additions.
ROUNDING = 1e-5
OTHER = "other"
# Where a text is counted follows from it alone, and there are so many places: were only the first texts told
# apart, two versions would differ by which came first.
TEXT_BUCKETS = 256

_ANSWERS = ("probability", "probabilities", "class", "value")
_MAX_CLASSES = 64
_TENTHS = 10

# Probabilities of rare and of near-certain events are told apart too; larger numbers by steps of a fifth.
_BELOW_HALF = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, *(n / 20 for n in range(2, 10)))
_TO_ONE = (*_BELOW_HALF, 0.5, *(round(1 - edge, 4) for edge in reversed(_BELOW_HALF)), 1.0)
_POSITIVE = (*_TO_ONE, *(2 ** (quarter / 4) for quarter in range(1, 161)))
_EDGES = (*(-edge for edge in reversed(_POSITIVE)), 0.0, *_POSITIVE)
_NUMBERS = ("<", *(f"{edge:.4g}" for edge in _EDGES))


_PLACES = {name: place for place, name in enumerate(_NUMBERS)}


def answer_name(outputs: Iterable[str]) -> str:
    """Return which output stands for the answer; there must be one."""
    names = set(outputs)
    return next((name for name in _ANSWERS if name in names), None) or min(names)


def answer_bucket(name: str, row: Any) -> str:
    """Return the bucket of one row of the answer `name`: a number, a text, or an array of either.

    A number's bucket is called by its lower bound, a text's by a hash of it. `probabilities` fall into a
    bucket for the likeliest class and how likely it is, in tenths; of other arrays the first value counts.
    There are some thousand buckets at most.
    """
    if isinstance(row, np.ndarray):
        if name == "probabilities" and row.size > 1:
            place = int(row.argmax())
            return f"{min(place, _MAX_CLASSES)}:{int(row.flat[place] * _TENTHS)}"
        if not row.size:
            return OTHER
        row = row.flat[0]
    if isinstance(row, bytes | str):
        return f"#{crc32(row if isinstance(row, bytes) else row.encode()) % TEXT_BUCKETS}"
    return _NUMBERS[bisect_right(_EDGES, row)]


def coarser(bucket: str, offset: int) -> str:
    """Return the bucket of twice the width that holds this one; with `offset` 1 its other neighbour is in it.

    Of two that are next to each other, one of both offsets has them together. Texts stand alone.
    """
    if bucket in _PLACES:
        return f"{(_PLACES[bucket] + offset) // 2}"
    place, colon, tenth = bucket.partition(":")
    return f"{place}:{(int(tenth) + offset) // 2}" if colon and tenth.isdecimal() else bucket


def count_answer(counts: dict[str, int], bucket: str, times: int = 1) -> None:
    """Add to the counts."""
    counts[bucket] = counts.get(bucket, 0) + times


def sound(outputs: Mapping[str, NDArray[Any]]) -> bool:
    """Say whether every number is finite."""
    return all(array.dtype.kind not in "fc" or bool(np.isfinite(array).all()) for array in outputs.values())


def distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far apart each row of two answers is, from 0 to 1; the first axis is rows.

    Numbers: the difference, of numbers beyond 1 relative to the larger one. Texts: 1 when they differ. NaN
    and infinity are equal to themselves only. Of arrays the values furthest apart count. Answers of other
    shapes or kinds are 1 apart.
    """
    rows = one.shape[0] if one.ndim else 1
    if one.shape != other.shape or _is_text(one) != _is_text(other):
        return np.ones(rows)
    values = one.size // rows if rows else 0
    left, right = one.reshape(rows, values), other.reshape(rows, values)
    apart = (left != right).astype(np.float64) if _is_text(one) else _differences(left, right)
    most: NDArray[np.float64] = apart.max(axis=1, initial=0.0)
    return most


def _is_text(array: NDArray[Any]) -> bool:
    return array.dtype.kind not in "biuf"


def _differences(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    left, right = one.astype(np.float64), other.astype(np.float64)
    equal = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right) / np.maximum(1, np.maximum(np.abs(left), np.abs(right)))
    apart[~np.isfinite(apart)] = 1
    return np.where(equal, 0, np.minimum(apart, 1))
