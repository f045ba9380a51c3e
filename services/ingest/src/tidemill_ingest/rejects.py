"""Rows that were set aside: counted, the first reasons at hand, all of them on disk as they come."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([("reason", pa.string())])
BUFFERED = 4096
FIRST = 3


class Tally:
    """Counts the rows set aside, and keeps the first reasons."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, reason: str) -> None:
        """Note one row."""
        self.count += 1
        if len(self._first) < FIRST:
            self._first.append(reason)

    def first(self) -> str:
        """Say the first reasons; empty when there are none."""
        return "; first: " + "; ".join(self._first) if self._first else ""


class RejectsFile(Tally):
    """A tally that also writes every reason to Parquet. A context manager: leaving completes the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._reasons: list[str] = []

    def add(self, reason: str) -> None:
        super().add(reason)
        self._reasons.append(reason)
        if len(self._reasons) >= BUFFERED:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        # Text cut out of a broken file may hold half a character pair, which Parquet cannot.
        reasons = [reason.encode(errors="replace").decode() for reason in self._reasons]
        self._writer.write_table(pa.table({"reason": reasons}, schema=SCHEMA))
        self._reasons.clear()
