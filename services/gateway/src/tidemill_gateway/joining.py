"""How requests become one call of a model, and its outputs their answers again: rows of JSON, or tensors.

A form says None where requests cannot be joined or outputs not divided: they are asked one by one then.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.calls import Arrays
from tidemill_gateway.predict_request import read_rows
from tidemill_gateway.predict_response import predictions_text, row_texts
from tidemill_gateway.signatures import Signature

Content_contra = TypeVar("Content_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)


class Form(Protocol[Content_contra, Answer_co]):
    """What requests look like, and their answers."""

    def size(self, content: Content_contra) -> int | None:
        """Return the number of a request's rows, None when it has no rows."""

    def join(self, contents: Sequence[Content_contra], signature: Signature) -> Arrays | None:
        """Return the tensors of all requests in turn; raises Refused."""

    def divide(self, outputs: Arrays, sizes: Sequence[int]) -> Sequence[Answer_co] | None:
        """Return the answer to each request, by the number of its rows; raises Refused."""


class RowForm:
    """Rows of JSON; an answer is the JSON of predictions."""

    def size(self, content: Sequence[Any]) -> int:
        """Return the number of rows."""
        return len(content)

    def join(self, contents: Sequence[Sequence[Any]], signature: Signature) -> Arrays | None:
        """Read the rows of all requests at once."""
        rows = list(chain.from_iterable(contents)) if len(contents) > 1 else list(contents[0])
        return read_rows(rows, signature)

    def divide(self, outputs: Arrays, sizes: Sequence[int]) -> Sequence[bytes] | None:
        """Write all rows at once, and share the texts out."""
        texts = row_texts(outputs, sum(sizes))
        if texts is None:
            return None
        return [predictions_text(texts[begin:end]) for begin, end in bounds(sizes)]


class TensorForm:
    """Tensors by alias; an answer is too."""

    def size(self, content: Arrays) -> int | None:
        """Return what all tensors begin with; None if they do not agree, or there is no row."""
        sizes = {array.shape[0] if array.ndim else 0 for array in content.values()}
        return sizes.pop() or None if len(sizes) == 1 else None

    def join(self, contents: Sequence[Arrays], signature: Signature) -> Arrays | None:  # noqa: ARG002
        """Put the tensors behind each other, if they are of the same kind."""
        if len(contents) == 1:
            return contents[0]
        kinds = [{name: (array.dtype, array.shape[1:]) for name, array in one.items()} for one in contents]
        if any(kind != kinds[0] for kind in kinds):
            return None
        return {name: np.concatenate([one[name] for one in contents]) for name in contents[0]}

    def divide(self, outputs: Arrays, sizes: Sequence[int]) -> Sequence[Arrays] | None:
        """Cut every output."""
        rows = sum(sizes)
        if any(array.ndim == 0 or len(array) != rows for array in outputs.values()):
            return None
        return [_cut(outputs, begin, end) for begin, end in bounds(sizes)]


def bounds(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return where each request's rows begin and end."""
    return list(pairwise(accumulate(sizes, initial=0)))


def _cut(arrays: Arrays, begin: int, end: int) -> Mapping[str, NDArray[Any]]:
    return {name: array[begin:end] for name, array in arrays.items()}
