"""Mergeable summaries of one column's values: each is built batch by batch, and merged in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import datasketches
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import CategoricalProfile, NumericProfile
from tidemill_transform.split import Hashes, hash_values

# Relative error of a distinct count: 1.6 %. Columns with fewer distinct values than this are exact.
SMALLEST_HASHES = 4096
# Up to 3/4 of 2**15 distinct values are counted exactly; beyond, rare values go uncounted.
FREQUENT_LG_SIZE = 15
VOCABULARY_VALUES = 10_000

Floats = npt.NDArray[np.float64]


@dataclass
class Distinct:
    """Counts distinct values by keeping the smallest hashes seen: the same set whatever the order."""

    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))

    def update(self, values: pa.Array) -> None:
        """Count an array's values; nulls are none."""
        self._keep(hash_values(values.drop_null()))

    def merge(self, other: Self) -> None:
        """Count what another counted."""
        self._keep(other.hashes)

    def estimate(self) -> float:
        """Return how many there were; exact below SMALLEST_HASHES."""
        if len(self.hashes) < SMALLEST_HASHES:
            return float(len(self.hashes))
        return (SMALLEST_HASHES - 1) / (float(self.hashes[-1]) / 2**64)

    def _keep(self, hashes: Hashes) -> None:
        if len(self.hashes) == SMALLEST_HASHES:
            hashes = hashes[hashes < self.hashes[-1]]
        self.hashes = np.unique(np.concatenate([self.hashes, np.unique(hashes)]))[:SMALLEST_HASHES]


class Numbers:
    """Moments and extremes of finite numbers."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = np.inf
        self.maximum = -np.inf
        self.mean = 0.0
        self.squares = 0.0  # sum of squared distances from the mean

    def update(self, values: pa.Array) -> None:
        """Add an array's finite values."""
        numbers = _finite(values)
        if len(numbers):
            mean = float(numbers.mean())
            self._add(len(numbers), mean, float(np.square(numbers - mean).sum()))
            self.minimum = min(self.minimum, float(numbers.min()))
            self.maximum = max(self.maximum, float(numbers.max()))

    def merge(self, other: Self) -> None:
        """Add the values another has seen."""
        self._add(other.count, other.mean, other.squares)
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def profile(self, inner_quantiles: Sequence[float]) -> NumericProfile | None:
        """Summarise, with the quantiles between the extremes; None when there was no finite value."""
        if self.count == 0:
            return None
        return NumericProfile(
            minimum=self.minimum,
            maximum=self.maximum,
            mean=self.mean,
            stddev=float(np.sqrt(self.squares / self.count)),
            quantiles=(self.minimum, *inner_quantiles, self.maximum),
        )

    def _add(self, count: int, mean: float, squares: float) -> None:
        if count:
            both = self.count + count
            apart = mean - self.mean
            self.mean += apart * count / both
            self.squares += squares + apart * apart * self.count * count / both
            self.count = both


class Texts:
    """The most frequent texts, and the longest."""

    def __init__(self) -> None:
        self.frequent = datasketches.frequent_strings_sketch(FREQUENT_LG_SIZE)
        self.max_length_bytes = 0

    def update(self, values: pa.Array) -> None:
        """Add an array of strings or booleans; nulls are none."""
        counts = pc.value_counts(pc.cast(values.drop_null(), pa.string()))
        texts, times = counts.field("values"), counts.field("counts")
        for text, count in zip(texts.to_pylist(), times.to_pylist(), strict=True):
            self.frequent.update(text, count)
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        self.max_length_bytes = max(self.max_length_bytes, longest)

    def merge(self, other: Self) -> None:
        """Add the texts another has seen."""
        self.frequent.merge(other.frequent)
        self.max_length_bytes = max(self.max_length_bytes, other.max_length_bytes)

    def profile(self) -> CategoricalProfile:
        """Summarise; ties in frequency are in the order of their text."""
        every = datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES
        seen = ((item[0], item[1]) for item in self.frequent.get_frequent_items(every, 0))
        vocabulary = sorted(seen, key=lambda entry: (-entry[1], entry[0]))[:VOCABULARY_VALUES]
        return CategoricalProfile(vocabulary=tuple(vocabulary), max_length_bytes=self.max_length_bytes)

    def __getstate__(self) -> tuple[bytes, int]:
        return self.frequent.serialize(), self.max_length_bytes

    def __setstate__(self, state: tuple[bytes, int]) -> None:
        self.frequent = datasketches.frequent_strings_sketch.deserialize(state[0])
        self.max_length_bytes = state[1]


def _finite(values: pa.Array) -> Floats:
    numbers = pc.cast(values.drop_null(), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite: Floats = numbers[np.isfinite(numbers)]
    return finite
