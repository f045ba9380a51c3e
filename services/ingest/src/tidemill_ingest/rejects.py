"""Rows that were set aside: counted, the first reasons at hand, all of them on disk as they come."""

import re
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([("reason", pa.string())])
# What may be personal wherever it stands: addresses of people and machines, and numbers as long as people's.
TELLING = re.compile(r"[^\s@]{0,64}@\S*|[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9](?:[-. ()/]{0,2}[0-9]){8,}")
BUFFERED = 4096
FIRST = 3
QUOTED_CHARACTERS = 100


def hidden(text: str) -> str:
    """Return a text without what may be personal in it."""
    return TELLING.sub("***", text)


class Tally:
    """Counts the rows set aside, and keeps the first reasons.

    Args:
        quote: Whether reasons may quote cells, as they may where no column of the file is restricted: a cell
            may have slipped into a column that it does not belong to.
    """

    def __init__(self, *, quote: bool) -> None:
        self.count = 0
        self._quote = quote
        self._first: list[str] = []

    def add(self, problem: str, cell: object = None) -> None:
        """Note one row: what is wrong with it, and the cell that is, None when that is all of it."""
        self._note(self._reason(problem, cell))

    def _note(self, reason: str) -> None:
        self.count += 1
        if len(self._first) < FIRST:
            self._first.append(reason)

    def _reason(self, problem: str, cell: object) -> str:
        if cell is None:
            return problem
        quoted = repr(cell)[:QUOTED_CHARACTERS]
        if not self._quote or TELLING.search(str(cell)[: 2 * QUOTED_CHARACTERS]):
            quoted = "a value that is not shown"
        return f"{problem}, received {quoted}"

    def first(self) -> str:
        """Say the first reasons; empty when there are none."""
        return "; first: " + "; ".join(self._first) if self._first else ""


class RejectsFile(Tally):
    """A tally that also writes every reason to Parquet. A context manager: leaving completes the file."""

    def __init__(self, path: Path, *, quote: bool) -> None:
        super().__init__(quote=quote)
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._reasons: list[str] = []

    def _note(self, reason: str) -> None:
        super()._note(reason)
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
