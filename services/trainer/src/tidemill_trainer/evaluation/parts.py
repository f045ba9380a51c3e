"""Columns cut into parts that a person can read: `carrier = OO`, `5 <= hour < 17`, `hour is missing`.

A text is cut by its values, a number by its values when these are few and by quantiles otherwise. Missing
values ("" and NaN) are a part of their own, and every row is in exactly one part.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.evaluation.scored import Columns, Indices

AND = " and "
# Rows that the quantiles of a number are taken from.
QUANTILE_ROWS = 20_000
# So many values of a number are told apart: the hours of a day.
FEW_NUMBERS = 24


@dataclass(frozen=True)
class Parts:
    """Which part each row is in (`[rows]`), and what each part is.

    `bounds` is set for a number: the first parts are ranges in rising order, and these are where all but the
    first of them begin.
    """

    column: str
    codes: Indices
    conditions: tuple[str, ...]
    bounds: tuple[str, ...] = ()


def divide(column: str, values: NDArray[Any], most: int) -> Parts:
    """Cut a column into at most `most` parts, and a further one each for missing and for rare values.

    A number of at most 24 different values is cut by these.
    """
    if is_number(values):
        return _divide_numbers(column, values, most)
    return _divide_texts(column, values, most)


def is_number(values: NDArray[Any]) -> bool:
    """Say whether a column holds numbers (or bools), and not texts."""
    return values.dtype.kind in "fiub"


def divide_by_all(columns: Columns, names: Sequence[str], most: int) -> Parts:
    """Cut rows by the parts of several columns at once; only combinations that occur are parts."""
    return reduce(_cross, (divide(name, columns[name], most) for name in names))


def _cross(first: Parts, second: Parts) -> Parts:
    both = first.codes * len(second.conditions) + second.codes
    present, codes = np.unique(both, return_inverse=True)
    left, right = np.divmod(present, len(second.conditions))
    conditions = (first.conditions[a] + AND + second.conditions[b] for a, b in zip(left, right, strict=True))
    return Parts(f"{first.column}, {second.column}", codes, tuple(conditions))


def _divide_texts(column: str, values: NDArray[Any], most: int) -> Parts:
    texts = values.tolist()
    counts = Counter(texts)
    missing = counts.pop("", 0)
    by_count = sorted(counts, key=lambda text: (-counts[text], text))
    conditions = [f"{column} = {text}" for text in by_count[:most]]
    places = {text: min(place, len(conditions)) for place, text in enumerate(by_count)}
    if len(by_count) > most:
        conditions.append(f"{column} is rare")
    if missing:
        places[""] = len(conditions)
        conditions.append(f"{column} is missing")
    codes = np.fromiter(map(places.__getitem__, texts), np.int64, len(texts))
    return Parts(column, codes, tuple(conditions))


def _divide_numbers(column: str, values: NDArray[Any], most: int) -> Parts:
    is_known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), np.bool_)
    known = values[is_known]
    starts, is_exact = _starts(known, most)
    if is_exact:
        conditions = [f"{column} = {_readable(value)}" for value in starts]
    else:
        conditions = _ranges(column, starts[1:])
    codes = np.full(len(values), len(conditions))
    codes[is_known] = np.searchsorted(starts[1:], known, "right")
    if not is_known.all():
        conditions.append(f"{column} is missing")
    return Parts(column, codes, tuple(conditions), tuple(_readable(start) for start in starts[1:]))


def _starts(known: NDArray[Any], most: int) -> tuple[NDArray[Any], bool]:
    """Return where each part begins, rising, and whether a part is one value."""
    # A stride, not a draw: the same rows always have the same parts.
    rising = np.sort(known[:: max(1, len(known) // QUANTILE_ROWS)])
    distinct, few = np.unique(rising), max(most, FEW_NUMBERS)
    if len(distinct) <= few and len(distinct := np.unique(known)) <= few:
        return distinct, True
    starts = np.unique(rising[np.arange(most) * len(rising) // most])
    return _rounded(starts) if len(starts) > 1 else distinct[:2], False


def _rounded(starts: NDArray[Any]) -> NDArray[Any]:
    """Move starts to the nearest number that is short to write, by at most a hundredth of what they span."""
    span = float(starts[-1]) - float(starts[1])
    if starts.dtype.kind != "f" or not 0 < span < np.inf:
        return starts
    rounded = np.round(starts.astype(np.float64), 2 - int(np.floor(np.log10(span))))
    return np.unique(rounded.astype(starts.dtype))


def _ranges(column: str, starts: NDArray[Any]) -> list[str]:
    texts = [_readable(start) for start in starts]
    inner = [f"{low} <= {column} < {high}" for low, high in pairwise(texts)]
    return [f"{column} < {texts[0]}", *inner, f"{column} >= {texts[-1]}"]


def _readable(value: Any) -> str:
    """Write a number so that reading it gives the same number."""
    if value.dtype.kind != "f":
        return str(int(value))
    if value and not 1e-4 <= abs(value) < 1e15:
        return np.format_float_scientific(value, trim="-")
    return np.format_float_positional(value, trim="-")
