"""The profile of a table, as one accumulator: batches in, profile out, mergeable on the way."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import ColumnProfile, Profile
from tidemill_transform.columns import NUMBERS
from tidemill_transform.row_sample import RowSample
from tidemill_transform.sketches import Distinct, Numbers, Texts
from tidemill_transform.split import Hashes

# The outermost of the 101 quantiles are the extremes, which are known exactly.
INNER_RANKS = np.linspace(0, 1, 101)[1:-1]


class ColumnSketch:
    """What is known of one column so far."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.rows = 0
        self.nulls = 0
        self.distinct = Distinct()
        self.numbers = Numbers() if column.type in NUMBERS else None
        self.texts = Texts() if column.type in ("string", "bool") else None

    def update(self, values: pa.Array) -> None:
        """Add one batch of the column."""
        self.rows += len(values)
        self.nulls += values.null_count
        self.distinct.update(values)
        if self.numbers is not None:
            self.numbers.update(values)
        if self.texts is not None:
            self.texts.update(values)

    def merge(self, other: Self) -> None:
        """Add what another sketch of the same column has seen."""
        self.rows += other.rows
        self.nulls += other.nulls
        self.distinct.merge(other.distinct)
        if self.numbers is not None and other.numbers is not None:
            self.numbers.merge(other.numbers)
        if self.texts is not None and other.texts is not None:
            self.texts.merge(other.texts)

    def profile(self, sample: RowSample) -> ColumnProfile:
        """Summarise the column; its quantiles are those of the sampled rows."""
        numeric = None
        if self.numbers is not None:
            numeric = self.numbers.profile(sample.quantiles(self.column.name, INNER_RANKS))
        return ColumnProfile(
            name=self.column.name,
            type=self.column.type,
            rows=self.rows,
            nulls=self.nulls,
            distinct_estimate=self.distinct.estimate(),
            numeric=numeric,
            categorical=None if self.texts is None else self.texts.profile(),
        )


class TableSketch:
    """What is known of all columns so far; it does not depend on how the rows were sharded."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.rows = 0
        self.positives = 0
        self.columns = [ColumnSketch(column) for column in columns]
        self.sample = RowSample([column.name for column in columns if column.type in NUMBERS])

    def update(self, keys: Hashes, rows: pa.RecordBatch) -> None:
        """Add one batch of labelled rows; `keys` are hashes of where each stands."""
        self.rows += rows.num_rows
        self.positives += pc.sum(rows[LABEL_COLUMN]).as_py() or 0
        for sketch in self.columns:
            sketch.update(rows[sketch.column.name])
        self.sample.update(keys, rows)

    def merge(self, other: Self) -> None:
        """Add what another sketch of the same columns has seen."""
        self.rows += other.rows
        self.positives += other.positives
        for mine, theirs in zip(self.columns, other.columns, strict=True):
            mine.merge(theirs)
        self.sample.merge(other.sample)

    def profile(self) -> Profile:
        """Summarise the table."""
        columns = tuple(sketch.profile(self.sample) for sketch in self.columns)
        return Profile(rows=self.rows, positives=self.positives, columns=columns)
