"""One inference request on its way through the gateway, whatever protocol carried it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tidemill_gateway.paths import ModelRef
from tidemill_gateway.routes import Target

UNKNOWN = "__unknown__"

Arrays = Mapping[str, NDArray[Any]]
Metadata = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Call:
    """What is asked of which model until when; what is not known at first is filled in on the way.

    `deadline` is of the loop's clock. `key` is what a sticky split goes by, empty without one. `metadata`
    goes on to model servers. `model`, `version`, `signature` and `variant` are for metrics: names that no
    route or model knows stay `UNKNOWN`. `fallback` says which fallback answered, empty when none did.
    """

    ref: ModelRef
    protocol: str
    api: str
    id: str
    deadline: float
    metadata: Metadata = ()
    key: str = ""
    model: str = UNKNOWN
    version: str = ""
    signature: str = UNKNOWN
    variant: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which version answers a call. `spare` is asked when it fails, None: nothing else answers."""

    target: Target
    variant: str = ""
    spare: Target | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One request's rows in a call of a model that may hold others': `begin` to `end` of every array.

    Requests that did not ask row by row have a call of their own, and all of it.
    """

    inputs: Arrays
    outputs: Arrays
    begin: int = 0
    end: int | None = None

    def rows_of(self, arrays: Arrays) -> Arrays:
        """Return this request's rows."""
        if self.end is None:
            return arrays
        return {name: array[self.begin : self.end] for name, array in arrays.items()}
