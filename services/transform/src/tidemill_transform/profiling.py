"""The profile of a table, as one accumulator: batches in, profile out, mergeable on the way."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self

import numpy as np
import pyarrow as pa

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import Profile, SliceProfile, Task
from tidemill_transform.column_sketch import WHOLE, ColumnSketch
from tidemill_transform.columns import schema_of
from tidemill_transform.label_sketch import LabelSketch
from tidemill_transform.row_sample import RowSample
from tidemill_transform.slices import SliceSketch
from tidemill_transform.split import Hashes
from tidemill_transform.task import LABEL_TYPES

# Batches wait until there are so many: looking at a column costs the same for one row as for thousands.
PENDING_ROWS = 65_536
PENDING_BYTES = 32 << 20
# Columns know nothing of each other, and NumPy and Arrow leave Python to the other thread.
LOOKING_THREADS = 2
# Different texts that are counted exactly: in one column, and in all of them together.
COUNTED_TEXTS = 32_768
COUNTED_TEXTS_OF_ALL = 4_000_000
# Of each declaration, the parts with most rows are told; fewer where there are many columns.
MAX_SLICES = 50
MAX_SLICE_COLUMNS = 4_000


class TableSketch:
    """What is known of labelled rows so far; it does not depend on how they were sharded.

    Args:
        columns: The columns to profile.
        label_task: What the column of labels is for.
        slices: Columns by whose values the rows are profiled in parts too.
    """

    def __init__(self, columns: Sequence[Column], label_task: Task, slices: Sequence[Sequence[str]]) -> None:
        self.rows = 0
        self.label = LabelSketch(label_task)
        counted = min(COUNTED_TEXTS, COUNTED_TEXTS_OF_ALL // max(1, len(columns)))
        self.columns = [ColumnSketch(column, counted) for column in columns]
        self.slices = [SliceSketch(names, label_task) for names in slices if names]
        label_field = pa.field(LABEL_COLUMN, LABEL_TYPES[label_task])
        self._schema = schema_of(columns).append(label_field)
        self._sample = RowSample(self._schema)
        self._pending: list[tuple[Hashes, pa.RecordBatch]] = []
        self._pending_rows = 0
        self._pending_bytes = 0

    def update(self, keys: Hashes, rows: pa.RecordBatch) -> None:
        """Add one batch of labelled rows; `keys` are hashes of where each stands."""
        self._pending.append((keys, rows.select(self._schema.names)))
        self._pending_rows += rows.num_rows
        self._pending_bytes += rows.nbytes
        if self._pending_rows >= PENDING_ROWS or self._pending_bytes >= PENDING_BYTES:
            self._look()

    def merge(self, other: Self) -> None:
        """Add what another sketch of the same columns has seen."""
        self._look()
        other._look()
        self.rows += other.rows
        self.label.merge(other.label)
        for mine, theirs in zip(self.columns, other.columns, strict=True):
            mine.merge(theirs)
        for my_slices, their_slices in zip(self.slices, other.slices, strict=True):
            my_slices.merge(their_slices)
        self._sample.merge(other._sample)

    def profile(self) -> Profile:
        """Summarise the table."""
        self._look()
        sample = self._sample.rows().combine_chunks()
        return Profile(
            rows=self.rows,
            label=self.label.profile(_array(sample, LABEL_COLUMN), WHOLE),
            columns=tuple(
                sketch.profile(_array(sample, sketch.column.name), WHOLE) for sketch in self.columns
            ),
            slices=tuple(self._slices(sample)),
        )

    def _slices(self, sample: pa.Table) -> Iterator[SliceProfile]:
        columns = [sketch.column for sketch in self.columns]
        most = min(MAX_SLICES, MAX_SLICE_COLUMNS // max(1, len(columns) * len(self.slices)))
        for slices in self.slices:
            yield from slices.profiles(sample, columns, most)

    def _look(self) -> None:
        """Take in the batches that wait."""
        if not self._pending:
            return
        keys = np.concatenate([keys for keys, _ in self._pending])
        rows = pa.Table.from_batches([rows for _, rows in self._pending], self._schema).combine_chunks()
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        self.rows += rows.num_rows
        self.label.update(_array(rows, LABEL_COLUMN))
        with ThreadPoolExecutor(LOOKING_THREADS) as threads:
            shares = [self.columns[start::LOOKING_THREADS] for start in range(LOOKING_THREADS)]
            list(threads.map(partial(_update, rows), shares))
        for slices in self.slices:
            slices.update(rows)
        self._sample.update(keys, rows)

    def __getstate__(self) -> dict[str, Any]:
        self._look()
        return self.__dict__


def _update(rows: pa.Table, sketches: Iterable[ColumnSketch]) -> None:
    for sketch in sketches:
        sketch.update(_array(rows, sketch.column.name))


def _array(rows: pa.Table, name: str) -> pa.Array:
    """Return a column of a table that has no chunks."""
    return rows[name].combine_chunks()
