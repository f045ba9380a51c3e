"""Mergeable summaries of one column's values: built batch by batch, merged in any order, always the same."""

import heapq
import sys
from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import CategoricalProfile
from tidemill_transform.split import Hashes

# Relative error of a distinct count: 1.6 %. Columns with fewer distinct values than this are exact.
SMALLEST_HASHES = 4096
# Longer texts are measured, but neither counted nor sampled, so that a sketch stays small.
MAX_COUNTED_BYTES = 256

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Distinct:
    """Counts distinct values by keeping the smallest hashes seen: the same set whatever the order.

    What is kept in the end was kept since it was first seen, so it is known which of it came more than once.
    """

    def __init__(self) -> None:
        self.hashes: Hashes = np.empty(0, np.uint64)
        self._again: Flags = np.empty(0, np.bool_)

    def update(self, hashes: Hashes, times: Integers | None = None) -> None:
        """Count hashed values: distinct ones that came so many times, or (None) one for every row."""
        if len(self.hashes) == SMALLEST_HASHES:
            small = hashes <= self.hashes[-1]
            hashes, times = hashes[small], None if times is None else times[small]
        if times is None:
            hashes, times = np.unique(hashes, return_counts=True)
        else:
            order = np.argsort(hashes)
            hashes, times = hashes[order], times[order]
        self._keep(hashes[:SMALLEST_HASHES], times[:SMALLEST_HASHES] > 1)

    def merge(self, other: Self) -> None:
        """Count what another counted."""
        self._keep(other.hashes, other._again)

    def estimate(self) -> float:
        """Return how many distinct values there were; exact below SMALLEST_HASHES."""
        if len(self.hashes) < SMALLEST_HASHES:
            return float(len(self.hashes))
        return (SMALLEST_HASHES - 1) / (float(self.hashes[-1]) / 2**64)

    def repeated_share(self) -> float:
        """Return which share of the distinct values came more than once; exact below SMALLEST_HASHES."""
        return float(self._again.mean()) if len(self._again) else 0.0

    def _keep(self, hashes: Hashes, again: Flags) -> None:
        """Add hashes that are sorted and distinct."""
        hashes = np.concatenate([self.hashes, hashes])
        order = np.argsort(hashes, kind="stable")
        hashes, again = hashes[order], np.concatenate([self._again, again])[order]
        in_both = hashes[1:] == hashes[:-1]
        again[:-1] |= in_both
        first = np.append(True, ~in_both)[: len(hashes)]
        self.hashes, self._again = hashes[first][:SMALLEST_HASHES], again[first][:SMALLEST_HASHES]


class Moments:
    """Count, mean, spread and extremes of finite numbers; how many were zero, and how many infinite."""

    def __init__(self) -> None:
        self.count = 0
        self.zeros = 0
        self.infinities = 0
        self.minimum = np.inf
        self.maximum = -np.inf
        self._mean = 0.0
        self._squares = 0.0  # sum of squared distances from the mean

    def update(self, numbers: Floats) -> None:
        """Add numbers, none of them NaN."""
        finite = np.isfinite(numbers)
        if not finite.all():
            self.infinities += len(numbers) - int(np.count_nonzero(finite))
            numbers = numbers[finite]
        if len(numbers):
            self.zeros += len(numbers) - int(np.count_nonzero(numbers))
            self.minimum = min(self.minimum, float(numbers.min()))
            self.maximum = max(self.maximum, float(numbers.max()))
            with np.errstate(over="ignore", invalid="ignore"):
                mean = float(numbers.mean())
                if not np.isfinite(mean):
                    mean = float((numbers / len(numbers)).sum())
                self._add(len(numbers), mean, float(np.square(numbers - mean).sum()))

    def merge(self, other: Self) -> None:
        """Add the numbers another has seen."""
        self.zeros += other.zeros
        self.infinities += other.infinities
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if other.count:
            self._add(other.count, other._mean, other._squares)

    @property
    def mean(self) -> float:
        """The mean of the finite numbers; sums are rounded, but never beyond what was seen."""
        return min(max(self._mean, self.minimum), self.maximum)

    @property
    def stddev(self) -> float:
        """Standard deviation of the finite numbers: never more than half their range, of equal ones 0."""
        half_range = self.maximum / 2 - self.minimum / 2
        return min(float(np.sqrt(self._squares / self.count)), half_range)

    def _add(self, count: int, mean: float, squares: float) -> None:
        if self.count == 0:
            self.count, self._mean, self._squares = count, mean, squares
            return
        both = self.count + count
        apart = mean - self._mean
        self._squares += squares + apart * apart * self.count * count / both
        if np.isfinite(apart):
            self._mean += apart * (count / both)
        else:
            self._mean = self._mean * (self.count / both) + mean * (count / both)
        self.count = both


class Texts:
    """How long texts are, and how often each occurs: counted exactly until there are too many different ones.

    Then none is counted any more, and the profile tells what a sample of rows holds. Whether it comes to that
    depends on the texts alone. Sketches that go on counting the frequent ones in little memory (Misra-Gries,
    lossy counting) give other counts for another order.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: dict[str, int] | None = {}
        self.count = 0
        self._bytes = 0
        self._words = 0
        self._shortest = sys.maxsize
        self._longest = 0

    def update(self, texts: pa.Array, times: Integers) -> None:
        """Add distinct texts that came so many times."""
        if not len(texts):
            return
        lengths = pc.binary_length(texts).to_numpy()
        words = pc.count_substring(texts, " ").to_numpy() + 1
        self.count += int(times.sum())
        self._bytes += int((lengths * times).sum())
        self._words += int((words * times).sum())
        self._shortest = min(self._shortest, int(lengths.min()))
        self._longest = max(self._longest, int(lengths.max()))
        if self._longest > MAX_COUNTED_BYTES:
            short = lengths <= MAX_COUNTED_BYTES
            texts, times = texts.filter(pa.array(short)), times[short]
        if self._times is not None:
            self._add(zip(texts.to_pylist(), times.tolist(), strict=True))

    def merge(self, other: Self) -> None:
        """Add the texts another has seen."""
        self.count += other.count
        self._bytes += other._bytes
        self._words += other._words
        self._shortest = min(self._shortest, other._shortest)
        self._longest = max(self._longest, other._longest)
        if other._times is None:
            self._times = None
        else:
            self._add(other._times.items())

    def profile(self, sampled: pa.Array, weight: float, most: int) -> CategoricalProfile | None:
        """Summarise; None when there was no text.

        Args:
            sampled: The texts of the sampled rows; null where there is none, or a long one.
            weight: How many rows a sampled one stands for.
            most: How many of the most frequent texts are told; ties are in the order of their text.
        """
        if self.count == 0:
            return None
        seen = self._times
        if seen is None:
            texts, times = pc.value_counts(sampled.drop_null()).flatten()
            pairs = zip(texts.to_pylist(), times.to_pylist(), strict=True)
            # What was sampled once may well be all there is of it.
            seen = {text: round(count * weight) for text, count in pairs if count > 1}
        vocabulary = heapq.nsmallest(most, seen.items(), key=lambda entry: (-entry[1], entry[0]))
        return CategoricalProfile(
            vocabulary=tuple(vocabulary),
            max_length_bytes=self._longest,
            min_length_bytes=self._shortest,
            mean_length_bytes=self._bytes / self.count,
            mean_words=self._words / self.count,
        )

    def _add(self, counted: Iterable[tuple[str, int]]) -> None:
        if self._times is None:
            return
        for text, times in counted:
            self._times[text] = self._times.get(text, 0) + times
        if len(self._times) > self._limit:
            self._times = None


def mixed(words: Hashes) -> Hashes:
    """Hash 64-bit words so that each bit of a word moves every bit of its hash; distinct words stay distinct.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    hashes = words ^ (words >> np.uint64(30))
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes
