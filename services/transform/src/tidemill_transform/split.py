"""Which side of the split a row falls on: decided by what the row says, and by nothing else.

By default a hash of the row decides, so that the same row is on the same side in every span, dataset version
and process, and no evaluation row is ever trained on. A null adds nothing to the hash and numbers are hashed
as 64-bit floats: a span that lacks a column, or reads it as integers, agrees with one that has it empty, or
as fractions. Points in time decide nothing. Columns that a spec leaves out do: another spec must not move
rows that the champion was trained on to where it is measured. Where copies of a row differ in a column that
names them, `groupBy` the others.

Groups are hashed as the window has them, where one group has one spelling. Time decides within a window only:
the cutoff moves on with every new span.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import Column
from tidemill_contracts.pipeline import Split
from tidemill_contracts.profile import ColumnType
from tidemill_transform.errors import Unfit

TIME_TYPES: tuple[ColumnType, ...] = ("int", "float", "timestamp")

Hashes = npt.NDArray[np.uint64]
Sides = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """How rows are divided.

    `undecisive` columns decide nothing, unless they are named: `group_by` for groups, or `time` for that of
    which values from `held_out_from` on are held out; None holds out none.
    """

    eval_share: float
    undecisive: frozenset[str]
    group_by: tuple[str, ...] = ()
    time: str | None = None
    held_out_from: pa.Scalar | None = None

    @classmethod
    def of(cls, split: Split, undecisive: Iterable[str]) -> Self:
        """Return the rule that a spec asks for; by time, it still lacks from when on."""
        return cls(
            eval_share=split.eval_share,
            undecisive=frozenset(undecisive),
            group_by=split.group_by,
            time=split.time,
        )

    def in_eval(self, native: pa.RecordBatch, rows: pa.RecordBatch) -> Sides:
        """Say for every row whether it is held out for evaluation.

        Args:
            native: Rows as their span has them.
            rows: The same with the columns of the window.
        """
        if self.time is not None and self.held_out_from is None:
            return np.zeros(rows.num_rows, np.bool_)
        if self.time is not None:
            late = pc.greater_equal(rows[self.time], self.held_out_from)
            return np.asarray(pc.fill_null(late, False).to_numpy(zero_copy_only=False), np.bool_)
        return _hash_words(self._hashes(native, rows)) < np.uint64(self.eval_share * 2**64)

    def _hashes(self, native: pa.RecordBatch, rows: pa.RecordBatch) -> Hashes:
        by_row = partial(hash_rows, native, self._deciding(native.schema))
        if not self.group_by:
            return by_row()
        by_group = hash_rows(rows, self.group_by)
        is_grouped = np.any([_present(rows[name]) for name in self.group_by], axis=0)
        return by_group if is_grouped.all() else np.where(is_grouped, by_group, by_row())

    def _deciding(self, schema: pa.Schema) -> list[str]:
        return [
            field.name
            for field in schema
            if field.name not in self.undecisive and not pa.types.is_timestamp(field.type)
        ]


def check_time(split: Split, columns: Iterable[Column]) -> None:
    """Raise Unfit when the column to split by has no order."""
    for column in columns:
        if column.name == split.time and column.type not in TIME_TYPES:
            message = f"expected numbers or points in time to split by, {column.name} is {column.type}"
            raise Unfit(Reason(code="split-time-type", message=message))


def hash_rows(rows: pa.RecordBatch, columns: Iterable[str]) -> Hashes:
    """Hash what each row says in some columns; where it says nothing, the hash is zero."""
    hashes = np.zeros(rows.num_rows, np.uint64)
    for name in columns:
        values = rows[name]
        keyed = _hash_words(hash_values(values) ^ _hash_name(name))
        hashes += np.where(_present(values), keyed, np.uint64(0))
    return hashes


def row_keys(span: int, row_group: int, rows: int) -> Hashes:
    """Hash where each row of a row group stands, for choosing rows at random but always the same."""
    base = _hash_words(np.array([span, row_group], np.uint64))
    return _hash_words(_hash_words(np.arange(rows, dtype=np.uint64)) ^ base[0] ^ (base[1] << np.uint64(1)))


def hash_values(column: pa.Array) -> Hashes:
    """Hash every value of a column to 64 bits, the same in every process; nulls are meaningless.

    The functions are pandas' (SipHash of texts, a multiplicative mix of numbers), pinned by a test.
    """
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        texts = _hash_texts(column.dictionary.to_numpy(zero_copy_only=False))
        places = pc.fill_null(column.indices, len(texts)).to_numpy(zero_copy_only=False)
        hashes: Hashes = np.append(texts, np.uint64(0))[places]
        return hashes
    if pa.types.is_timestamp(column.type):
        return _hash_words(_values(column.cast(pa.int64())).view(np.uint64))
    # Adding zero turns -0.0 into 0.0, which is the same number.
    numbers = _values(pc.cast(column, pa.float64(), safe=False)).astype(np.float64)
    return _hash_words((numbers + 0.0).view(np.uint64))


def _values(column: pa.Array) -> npt.NDArray[np.generic]:
    values: npt.NDArray[np.generic] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    return values


def _present(column: pa.Array) -> Sides:
    is_missing = pc.is_null(column, nan_is_null=True)
    present: Sides = pc.invert(is_missing).to_numpy(zero_copy_only=False)
    return present


def _hash_words(words: npt.NDArray[np.uint64]) -> Hashes:
    return np.asarray(hash_array(words), np.uint64)


@lru_cache(maxsize=10_000)
def _hash_name(column: str) -> np.uint64:
    return np.uint64(_hash_texts([column])[0])


def _hash_texts(texts: npt.ArrayLike) -> Hashes:
    return np.asarray(hash_array(np.asarray(texts, dtype=object), categorize=False), np.uint64)
