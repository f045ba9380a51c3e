"""A sample of every column's cells, gathered from all over a file in bounded memory."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_ingest.native import as_text

CELLS_PER_BATCH = 256
MAX_BATCHES = 16
MAX_CELLS = 1000
CELL_CHARACTERS = 200
# With fewer of its cells than this among those taken from everywhere, a column is looked through.
FEW_CELLS = 16


@dataclass
class ColumnSample:
    """Cells of one column, from the first batch that has any and from others evenly spread."""

    batches: list[pa.Array] = field(default_factory=list)
    every: int = 1
    seen: int = 0

    def add(self, cells: pa.Array) -> None:
        """Look at one batch; nulls are passed over."""
        if cells.null_count == len(cells):
            return
        self.seen += 1
        if (self.seen - 1) % self.every:
            return
        self.batches.append(_some(cells))
        if len(self.batches) > MAX_BATCHES:
            self.batches = self.batches[::2]
            self.every *= 2

    def cells(self) -> pa.Array:
        """Return some cells as text."""
        return _evenly(pa.chunked_array(self.batches, pa.string()).combine_chunks(), MAX_CELLS)


class Sample:
    """Cells of every column of a file."""

    def __init__(self) -> None:
        self._columns: dict[str, ColumnSample] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at one batch."""
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            self._columns.setdefault(name, ColumnSample()).add(cells)

    def cells(self, name: str) -> pa.Array:
        """Return some cells of a column as text, their beginnings where they are long, and no nulls."""
        return self._columns.get(name, ColumnSample()).cells()


def _some(cells: pa.Array) -> pa.Array:
    taken = _evenly(cells, CELLS_PER_BATCH).drop_null()
    if len(taken) < FEW_CELLS:
        taken = _evenly(cells.drop_null(), CELLS_PER_BATCH)
    texts = pc.utf8_slice_codeunits(as_text(taken), 0, CELL_CHARACTERS)
    return pc.utf8_trim_whitespace(texts.drop_null())


def _evenly(cells: pa.Array, count: int) -> pa.Array:
    if len(cells) <= count:
        return cells
    if pa.types.is_string_view(cells.type):  # Arrow cannot take from it
        cells = pc.cast(cells, pa.string())
    return cells.take(_places(len(cells), count))


@lru_cache(maxsize=64)
def _places(cells: int, count: int) -> pa.Array:
    return pa.array(np.linspace(0, cells - 1, count, dtype=np.int64))
