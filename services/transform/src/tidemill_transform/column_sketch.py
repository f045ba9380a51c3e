"""What is known of one column so far: batches in, a profile out, mergeable on the way."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnProfile, NumericProfile
from tidemill_transform.sketches import Distinct, Floats, Integers, Moments, Texts, mixed
from tidemill_transform.split import Hashes, hash_values

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Detail:
    """How much is told of a column: so many quantiles, bins of its histogram, and frequent texts.

    Whole numbers in a range of at most `whole_bins` have a bin each.
    """

    quantiles: int
    bins: int
    whole_bins: int
    vocabulary: int


WHOLE = Detail(quantiles=101, bins=32, whole_bins=64, vocabulary=10_000)
PART = Detail(quantiles=11, bins=8, whole_bins=8, vocabulary=20)


class ColumnSketch:
    """Counts of one column's values; what takes their order is read from a sample of rows in the end.

    Args:
        column: The column; its type decides what is measured.
        counted_texts: How many different texts are counted exactly.
    """

    def __init__(self, column: Column, counted_texts: int) -> None:
        self.column = column
        self.rows = 0
        self.nulls = 0
        self.distinct = Distinct()
        self.moments = None if column.type == "string" else Moments()
        self.texts = Texts(counted_texts) if column.type in ("string", "bool") else None

    def update(self, values: pa.Array) -> None:
        """Add one batch of the column."""
        self.rows += len(values)
        self.nulls += values.null_count
        values = values.drop_null()
        if self.texts is not None:
            found, times = values.value_counts().flatten()
            self.texts.update(pc.cast(found, pa.string()), times.to_numpy())
            if self.moments is None:
                self.distinct.update(hash_values(found), times.to_numpy())
        if self.moments is not None:
            self.moments.update(as_numbers(values))
            self.distinct.update(mixed(_words(values)))

    def merge(self, other: Self) -> None:
        """Add what another sketch of the same column has seen."""
        self.rows += other.rows
        self.nulls += other.nulls
        self.distinct.merge(other.distinct)
        if self.moments is not None and other.moments is not None:
            self.moments.merge(other.moments)
        if self.texts is not None and other.texts is not None:
            self.texts.merge(other.texts)

    def profile(self, sampled: pa.Array, detail: Detail) -> ColumnProfile:
        """Summarise the column, given its values in the sampled rows."""
        weight = self.rows / max(1, len(sampled))
        sampled = sampled.drop_null()
        numeric = texts = None
        if self.moments is not None:
            whole = self.moments.maximum - self.moments.minimum + 1
            if self.column.type == "int" and 1 <= whole <= detail.whole_bins:
                detail = replace(detail, bins=int(whole))
            numeric = numeric_profile(self.moments, as_numbers(sampled), detail)
        if self.texts is not None:
            texts = self.texts.profile(pc.cast(sampled, pa.string()), weight, detail.vocabulary)
        return ColumnProfile(
            name=self.column.name,
            type=self.column.type,
            rows=self.rows,
            nulls=self.nulls,
            distinct_estimate=self.distinct.estimate(),
            repeated_share=self.distinct.repeated_share(),
            numeric=numeric,
            categorical=texts,
        )


def as_numbers(values: pa.Array) -> Floats:
    """Return values without nulls as 64-bit floats; points in time as seconds since 1970."""
    numbers: Floats
    if pa.types.is_timestamp(values.type):
        numbers = values.cast(pa.int64()).to_numpy() / MICROSECONDS
        return numbers
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return numbers


def numeric_profile(moments: Moments, sampled: Floats, detail: Detail) -> NumericProfile | None:
    """Summarise numbers, given the sampled ones; None when none was finite."""
    if moments.count == 0:
        return None
    finite = np.sort(sampled[np.isfinite(sampled)])
    return NumericProfile(
        minimum=moments.minimum,
        maximum=moments.maximum,
        mean=moments.mean,
        stddev=moments.stddev,
        quantiles=(moments.minimum, *_inner_quantiles(finite, detail.quantiles), moments.maximum),
        histogram=_histogram(finite, moments.minimum, moments.maximum, detail.bins),
        zeros=moments.zeros,
        infinities=moments.infinities,
    )


def _inner_quantiles(ordered: Floats, quantiles: int) -> list[float]:
    """Return the values at the ranks between the extremes, which are known exactly."""
    if not len(ordered):
        return []
    inner = np.arange(1, quantiles - 1)
    inner_quantiles: list[float] = ordered[-(-inner * len(ordered) // (quantiles - 1)) - 1].tolist()
    return inner_quantiles


def _histogram(numbers: Floats, minimum: float, maximum: float, bins: int) -> tuple[float, ...]:
    """Return the shares of numbers in bins of equal width; all of them are in one when there is no width."""
    if not len(numbers):
        return ()
    # Halves, because the range of two floats may be no float.
    width = maximum / 2 - minimum / 2
    if width == 0:
        return (1.0,)
    places = ((numbers / 2 - minimum / 2) / width * bins).astype(np.int64)
    counts = np.bincount(places.clip(0, bins - 1), minlength=bins)
    return tuple((counts / len(numbers)).tolist())


def _words(values: pa.Array) -> Hashes:
    """Return 64 bits per value, the same for equal values alone."""
    if pa.types.is_floating(values.type):
        # Adding zero turns -0.0 into 0.0, which is the same number.
        numbers: Floats = values.to_numpy() + 0.0
        return numbers.view(np.uint64)
    whole: Integers = values.cast(pa.int64()).to_numpy()
    return whole.view(np.uint64)
