"""What the split of a spec goes by, row for row: groups that are never divided, or points in time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill_contracts.pipeline import Split

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Belonging:
    """What training rows are divided by, `[rows]` each, None where the split does not go by it.

    Rows of one group have the same number in `groups`, rows that name none have one each. `times` rise with
    time, NaN where there is none.
    """

    groups: Indices | None = None
    times: NDArray[np.float64] | None = None


APART = Belonging()


def columns_of(split: Split) -> tuple[str, ...]:
    """Name the columns that a split goes by."""
    return (split.time,) if split.time else split.group_by


def noting(tables: Iterable[pa.Table], names: Sequence[str], noted: list[pa.Table]) -> Iterator[pa.Table]:
    """Pass tables on, and note those of the named columns that they have."""
    for table in tables:
        known = table.select([name for name in names if name in table.column_names])
        noted.append(pa.table({name: _compact(known[name]) for name in known.column_names}))
        yield table


def belonging_of(noted: Sequence[pa.Table], split: Split) -> Belonging:
    """Number the rows of noted tables."""
    if not noted or not noted[0].column_names:
        return APART
    table = pa.concat_tables(noted).unify_dictionaries()
    if split.time:
        return Belonging(times=_times(table[split.time]))
    return Belonging(groups=_group_numbers(table))


def _compact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _times(column: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    times: NDArray[np.float64] = numbers.cast(pa.float64(), safe=False).to_numpy()
    return times


def _group_numbers(table: pa.Table) -> Indices:
    numbers = np.zeros(len(table), np.int64)
    is_unnamed = np.ones(len(table), np.bool_)
    for column in table.itercolumns():
        codes = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        places = codes.combine_chunks().indices.fill_null(-1).to_numpy() + 1
        is_unnamed &= places == 0
        numbers = np.unique(numbers * (int(places.max(initial=0)) + 1) + places, return_inverse=True)[1]
    return np.where(is_unnamed, len(table) + np.arange(len(table)), numbers)
