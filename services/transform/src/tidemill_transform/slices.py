"""Parts of the rows: those in which some columns have certain values.

How many rows a part has, and of which class, is counted exactly; all else is read from the sampled rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import ColumnProfile, LabelProfile, SliceProfile, Task
from tidemill_transform.column_sketch import PART, ColumnSketch
from tidemill_transform.label_sketch import LabelSketch, label_of_classes
from tidemill_transform.sketches import MAX_COUNTED_BYTES

# Columns that divide the rows into more parts than this are too fine to be looked at: no part is told.
MAX_COUNTED_SLICES = 10_000

Values = tuple[str | None, ...]


class SliceSketch:
    """How many rows have which values of some columns; a null, or a text too long to be counted, is None."""

    def __init__(self, columns: Sequence[str], task: Task) -> None:
        self.columns = tuple(columns)
        self._task = task
        self._classes: dict[Values, dict[str, int]] | None = {}

    def update(self, rows: pa.Table) -> None:
        """Add labelled rows."""
        keys = [*self.columns] if self._task == "regression" else [*self.columns, LABEL_COLUMN]
        groups = rows.select(keys).group_by(keys, use_threads=False).aggregate([([], "count_all")])
        texts = [_texts(groups[name]).to_pylist() for name in keys]
        classes = [""] * len(groups) if self._task == "regression" else texts.pop()
        for *values, name, times in zip(*texts, classes, groups["count_all"].to_pylist(), strict=True):
            self._add(tuple(values), {name: times})

    def merge(self, other: Self) -> None:
        """Add the rows another has seen."""
        if other._classes is None:
            self._classes = None
        else:
            for values, classes in other._classes.items():
                self._add(values, classes)

    def profiles(self, sample: pa.Table, columns: Sequence[Column], most: int) -> Iterator[SliceProfile]:
        """Summarise the parts with most rows; ties are in the order of their values, null first."""
        by_rows = sorted((self._classes or {}).items(), key=_order)
        sampled_texts = [_texts(sample[name]) for name in self.columns]
        for values, classes in by_rows[:most]:
            matches = (_equal(texts, value) for texts, value in zip(sampled_texts, values, strict=True))
            rows = sample.filter(reduce(pc.and_, matches)).combine_chunks()
            yield SliceProfile(
                columns=self.columns,
                values=values,
                rows=sum(classes.values()),
                label=self._label(classes, rows),
                profiles=tuple(_profile(column, rows) for column in columns),
            )

    def _label(self, classes: Mapping[str, int], rows: pa.Table) -> LabelProfile:
        if self._task != "regression":
            return label_of_classes(self._task, classes)
        label = LabelSketch(self._task)
        labels = _array(rows[LABEL_COLUMN])
        label.update(labels)
        return label.profile(labels, PART)

    def _add(self, values: Values, classes: Mapping[str, int]) -> None:
        if self._classes is None:
            return
        counted = self._classes.setdefault(values, {})
        for name, rows in classes.items():
            counted[name] = counted.get(name, 0) + rows
        if len(self._classes) > MAX_COUNTED_SLICES:
            self._classes = None


def _profile(column: Column, rows: pa.Table) -> ColumnProfile:
    sketch = ColumnSketch(column, PART.vocabulary)
    values = _array(rows[column.name])
    sketch.update(values)
    return sketch.profile(values, PART)


def _order(counted: tuple[Values, Mapping[str, int]]) -> tuple[int, list[tuple[bool, str]]]:
    values, classes = counted
    return -sum(classes.values()), [(value is not None, value or "") for value in values]


def _equal(texts: pa.ChunkedArray, value: str | None) -> pa.ChunkedArray:
    return texts.is_null() if value is None else pc.fill_null(pc.equal(texts, value), False)


def _texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.cast(values, pa.string())
    is_long = pc.fill_null(pc.greater(pc.binary_length(texts), MAX_COUNTED_BYTES), False)
    return pc.if_else(is_long, pa.scalar(None, pa.string()), texts)


def _array(values: pa.ChunkedArray) -> pa.Array:
    """Return a column of a table without chunks."""
    return values.combine_chunks()
