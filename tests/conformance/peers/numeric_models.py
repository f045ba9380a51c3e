"""The models of the conformance list in numpy, for servers that take Python."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TYPES = {"FP32": np.float32, "INT64": np.int64, "BYTES": np.object_}


@dataclass(frozen=True)
class Tensor:
    """Type and shape of an input or output, -1 for any size."""

    datatype: str
    shape: list[int]


@dataclass(frozen=True)
class NumericModel:
    """What a model takes, returns and does."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    run: Callable[..., dict[str, Any]]


def _half_plus_two(x: Any) -> dict[str, Any]:
    return {"y": (x / 2 + 2).astype(np.float32)}


def _pair(a: Any, b: Any) -> dict[str, Any]:
    column = b.astype(np.float32)[:, None]
    return {"sum": a + column, "product": a * column}


def _text(name: Any) -> dict[str, Any]:
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in name.ravel()]
    return {"greeting": np.array([b"hello " + text for text in texts], object)}


def _not_a_number(x: Any) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        return {"y": (x / np.float32(0)).astype(np.float32)}


_NUMBERS = Tensor("FP32", [-1])
_PAIRS = Tensor("FP32", [-1, 2])
_TEXTS = Tensor("BYTES", [-1])
MODELS = {
    "half_plus_two": NumericModel({"x": _NUMBERS}, {"y": _NUMBERS}, _half_plus_two),
    "pair": NumericModel(
        {"a": _PAIRS, "b": Tensor("INT64", [-1])}, {"sum": _PAIRS, "product": _PAIRS}, _pair
    ),
    "text": NumericModel({"name": _TEXTS}, {"greeting": _TEXTS}, _text),
    "not_a_number": NumericModel({"x": _NUMBERS}, {"y": _NUMBERS}, _not_a_number),
}
