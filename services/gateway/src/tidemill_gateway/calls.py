"""One inference request on its way through the gateway, whatever protocol carried it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from tidemill_gateway.paths import ModelRef

UNKNOWN = "__unknown__"

Arrays = Mapping[str, NDArray[Any]]
Metadata = Sequence[tuple[str, str]]
Headers = Mapping[bytes, bytes]
NO_HEADERS: Headers = MappingProxyType({})


def size_bytes(*tensors: Arrays) -> int:
    """Return what tensors take, of strings their bytes alone."""
    return sum(
        sum(map(len, array.ravel().tolist())) if array.dtype.hasobject else array.nbytes
        for arrays in tensors
        for array in arrays.values()
    )


@dataclass(slots=True)
class Call:
    """What is asked of which model until when; what is not known at first is filled in on the way.

    `deadline` is of the loop's clock. `metadata` goes on to model servers. `headers` are the caller's, names
    in lower case: a sticky split looks there for its key. `model`, `version`, `signature` and `variant` are
    for metrics: names that no route or model knows stay `UNKNOWN`. `fallback` says which fallback answered,
    empty when none did; `prediction_id` is what feedback must name, empty when there can be none.
    """

    ref: ModelRef
    protocol: str
    api: str
    id: str
    deadline: float
    metadata: Metadata = ()
    headers: Headers = field(default_factory=dict)
    model: str = UNKNOWN
    version: str = ""
    signature: str = UNKNOWN
    variant: str = ""
    fallback: str = ""
    prediction_id: str = ""
    cache: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One request's rows in a call of a model that may hold others': `begin` to `end` of every array.

    Requests that did not ask row by row have a call of their own, and all of it. Requests of one call share
    its `outputs`, the same object. `seconds` is what the call took, without waiting for it.
    """

    inputs: Arrays
    outputs: Arrays
    begin: int = 0
    end: int | None = None
    seconds: float = 0.0

    def rows_of(self, arrays: Arrays) -> Arrays:
        """Return this request's rows."""
        if self.end is None:
            return arrays
        return {name: array[self.begin : self.end] for name, array in arrays.items()}
