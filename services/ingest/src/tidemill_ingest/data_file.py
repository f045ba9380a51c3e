"""Typed rows as Parquet, compressed by a thread of its own while the next rows are read."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

GROUP_ROWS = 1 << 16
GROUP_BYTES = 32 << 20
# A dictionary of values that hardly repeat costs more than it saves; so many cells tell.
SAMPLED_CELLS = 1 << 12
REPEATED_TIMES = 2


class DataFile:
    """Gathers batches into row groups: few enough to read fast, small enough to hold.

    A context manager: leaving completes the file.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._path = path
        self._schema = schema
        self._group: list[pa.RecordBatch] = []
        self._group_rows = 0
        self._group_bytes = 0
        self._open = ExitStack()
        self._thread = self._open.enter_context(ThreadPoolExecutor(1))
        self._writer: pq.ParquetWriter | None = None
        self._writing: Future[None] | None = None

    def add(self, rows: pa.RecordBatch) -> None:
        """Take a batch of the schema; waits while the last row group is being written."""
        self._group.append(rows)
        self._group_rows += rows.num_rows
        self._group_bytes += rows.nbytes
        if self._group_rows >= GROUP_ROWS or self._group_bytes >= GROUP_BYTES:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if kind is None and self._group:
                self._flush()
            if self._writing:
                self._writing.result()

    def _flush(self) -> None:
        group = pa.Table.from_batches(self._group, self._schema)
        self.rows += group.num_rows
        self._group, self._group_rows, self._group_bytes = [], 0, 0
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._write, group)

    def _write(self, group: pa.Table) -> None:
        if self._writer is None:
            repetitive = [name for name in self._schema.names if _repeats(group[name])]
            writer = pq.ParquetWriter(self._path, self._schema, compression="zstd", use_dictionary=repetitive)
            self._writer = self._open.enter_context(writer)
        self._writer.write_table(group)


def _repeats(cells: pa.ChunkedArray) -> bool:
    sampled = cells[:SAMPLED_CELLS]
    return bool(pc.count_distinct(sampled).as_py() * REPEATED_TIMES <= len(sampled))
