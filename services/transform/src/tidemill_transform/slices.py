"""Parts of the rows: those in which some columns have certain values.

How many rows a part has, and of which class, is counted exactly; all else is read from the sampled rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import ColumnProfile, LabelProfile, SliceProfile, Task
from tidemill_transform.column_sketch import PART, ColumnSketch
from tidemill_transform.label_sketch import LabelSketch, label_of_classes
from tidemill_transform.sketches import MAX_COUNTED_BYTES

# Columns that divide the rows, by class, into more parts than this are too fine to look at: none is told.
MAX_COUNTED_PARTS = 20_000

Values = tuple[str | None, ...]


class SliceSketch:
    """How many rows have which values of some columns; a null, or a text too long to be counted, is None."""

    def __init__(self, columns: Sequence[str], task: Task) -> None:
        self.columns = tuple(dict.fromkeys(columns))
        self._task = task
        self._rows: dict[tuple[Values, str], int] | None = {}

    def update(self, rows: pa.Table) -> None:
        """Add labelled rows."""
        if self._rows is None:
            return
        keys = [*self.columns] if self._task == "regression" else [*self.columns, LABEL_COLUMN]
        groups = rows.select(keys).group_by(keys, use_threads=False).aggregate([([], "count_all")])
        texts = [_texts(groups[name]).to_pylist() for name in self.columns]
        classes = [""] * len(groups)
        if self._task != "regression":
            classes = pc.cast(groups[LABEL_COLUMN], pa.string()).to_pylist()
        parts = zip(zip(*texts, strict=True), classes, strict=True)
        self._add(zip(parts, groups["count_all"].to_pylist(), strict=True))

    def merge(self, other: Self) -> None:
        """Add the rows another has seen."""
        if other._rows is None:
            self._rows = None
        else:
            self._add(other._rows.items())

    def profiles(self, sample: pa.Table, columns: Sequence[Column], most: int) -> Iterator[SliceProfile]:
        """Summarise the parts with most rows; ties are in the order of their values, null first."""
        parts: dict[Values, dict[str, int]] = {}
        for (values, name), rows in (self._rows or {}).items():
            parts.setdefault(values, {})[name] = rows
        sampled_texts = [_texts(sample[name]) for name in self.columns]
        for values, classes in sorted(parts.items(), key=_order)[:most]:
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

    def _add(self, counted: Iterable[tuple[tuple[Values, str], int]]) -> None:
        if self._rows is None:
            return
        for part, rows in counted:
            self._rows[part] = self._rows.get(part, 0) + rows
        if len(self._rows) > MAX_COUNTED_PARTS:
            self._rows = None


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
