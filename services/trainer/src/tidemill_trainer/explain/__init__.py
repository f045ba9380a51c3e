"""What each feature adds to an answer, computed inside the exported model.

Explained is the answer as it is served: P(true), the probability of the likeliest class, the number, or the
quantile nearest to one half.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from tidemill_trainer.preprocessing.encoded import Encoded


class Explanation(NamedTuple):
    """Tensors. Attributions, `[rows, features]`, add up to answer - baseline, `[rows]` both; all float32.

    `chosen` is the column of the answers that is explained, int32 `[rows]`, 0 where there are no columns.
    """

    attributions: Any
    baseline: Any
    answer: Any
    chosen: Any


@runtime_checkable
class Summing(Protocol):
    """A network that begins with a sum, to which each column it reads adds its own part."""

    def total(self, encoded: Encoded) -> Any:
        """Return the sum, float32 `[rows, width]`."""

    def finish(self, total: Any) -> Any:
        """Return answers, `[rows]` or `[rows, columns]`, which have gradients."""


@dataclass(frozen=True)
class Sum:
    """A model of raw columns that begins with a sum."""

    encode: Callable[[Mapping[str, Any]], Encoded]
    network: Summing


@runtime_checkable
class BeginsWithSum(Protocol):
    """A graph that may begin with a sum; else `sum` is None."""

    @property
    def sum(self) -> Sum | None: ...
