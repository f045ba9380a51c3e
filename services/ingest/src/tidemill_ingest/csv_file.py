"""Dropped CSV files: checked, then streamed as batches of text cells.

A row that cannot be split into the header's columns is set aside with the reason, and reading goes on.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as pa_csv

from tidemill_ingest.errors import Refused

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 8 << 20
NULL_TEXTS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass
class CsvFile:
    """One file on disk. `ragged` collects rows that do not have the header's number of cells."""

    path: Path
    ragged: list[str] = field(default_factory=list)

    def header(self) -> list[str]:
        """Return the column names; raise Refused when the file is no CSV with a usable header."""
        head = self._head()
        names = next(csv.reader(head.splitlines()), [])
        if not any(name.strip() for name in names):
            raise Refused("no-header", f"expected a first line of column names, received {head[:80]!r}")
        if blank := [index + 1 for index, name in enumerate(names) if not name.strip()]:
            raise Refused("blank-column-name", f"expected a name for every column, columns {blank} have none")
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise Refused("duplicate-columns", f"expected every column once, received {twice} more than once")
        return names

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Stream the rows as text cells, null where empty; raise Refused when the text breaks off."""
        self.ragged.clear()
        names = self.header()
        try:
            reader = pa_csv.open_csv(
                self.path,
                pa_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=1
                ),
                pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._set_aside),
                pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=NULL_TEXTS,
                    strings_can_be_null=True,
                ),
            )
            yield from reader
        except pa.ArrowInvalid as error:
            raise Refused("not-csv", f"expected UTF-8 CSV, received text that breaks off: {error}") from error

    def _head(self) -> str:
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if not head:
            raise Refused("empty-file", "expected a header and rows, received 0 bytes")
        if b"\0" in head:
            raise Refused("not-text", f"expected CSV text, received binary data starting {head[:16]!r}")
        try:
            # The cut may fall inside a character; only what comes before its last bytes must decode.
            return head[: HEAD_BYTES - 4].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused("not-utf8", f"expected UTF-8 text, received {error}") from error

    def _set_aside(self, row: pa_csv.InvalidRow) -> str:
        self.ragged.append(
            f"expected {row.expected_columns} cells, received {row.actual_columns}: {row.text!r:.200}"
        )
        return "skip"
