"""CSV and its relatives, streamed as batches of text cells.

A row that cannot be split into the header's columns is set aside with the reason, and reading goes on.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa
from pyarrow import csv as pa_csv

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.ahead import ahead
from tidemill_ingest.columns import infer_types
from tidemill_ingest.dialect import dialect_of
from tidemill_ingest.encoding import Text
from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import Look, Reject

# A row longer than this may be refused, one longer than twice this is.
BLOCK_BYTES = 4 << 20
NULL_TEXTS = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None"]
TAIL_BYTES = 1 << 16
COMPARED_CHARACTERS = TAIL_BYTES // 8
TRAILING = "\0after the last delimiter"


class DelimitedFile:
    """One file on disk."""

    lists_columns = True

    def __init__(self, text: Text, known: Collection[str]) -> None:
        self._path = text.path
        self._dialect = dialect_of(text, known)

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Infer the types from every cell."""
        return infer_types(self.batches(reject), look=look)

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the rows as text cells, null where empty; the next are read while the caller works."""
        ragged = _Ragged()
        for batch, rows in ahead((batch, ragged.taken()) for batch in self._read(ragged)):
            for row in rows:
                reject(row)
            if batch is not None:
                yield batch

    def _read(self, ragged: "_Ragged") -> Iterator[pa.RecordBatch | None]:
        end = _LastRead()
        # Not closed, but let go: Arrow reads on for a while when nobody does, and must not do so from another
        # file that got the same number.
        file = pa.OSFile(str(self._path))
        if self._dialect.rows_at >= file.size():
            return
        file.seek(self._dialect.rows_at)
        try:
            for batch in self._open(file, ragged, end):
                if batch.num_rows:
                    end.saw_rows(batch)
                    yield self._without_trailing(batch)
        except pa.ArrowInvalid as error:
            raise _refused(error) from error
        self._check_closed(end)
        yield None

    def _open(self, file: pa.NativeFile, ragged: "_Ragged", end: "_LastRead") -> pa_csv.CSVStreamingReader:
        dialect = self._dialect

        def set_aside(row: pa_csv.InvalidRow) -> str:
            end.saw_ragged(row.text)
            ragged.add(row.number, row.expected_columns - dialect.trailing_delimiter, row.actual_columns)
            return "skip"

        names = dialect.names + [TRAILING] * dialect.trailing_delimiter
        return pa_csv.open_csv(
            file,
            pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names),
            pa_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote,
                escape_char=dialect.escape or False,
                newlines_in_values=True,
                invalid_row_handler=set_aside,
            ),
            pa_csv.ConvertOptions(
                check_utf8=False,  # seen to when the encoding was found
                column_types=dict.fromkeys(names, pa.string()),
                null_values=NULL_TEXTS,
                strings_can_be_null=True,
            ),
        )

    def _without_trailing(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._dialect.trailing_delimiter:
            return batch
        last = batch.num_columns - 1
        if batch.column(last).null_count < batch.num_rows:
            raise Refused(
                "blank-column-name", f"expected a name for every column, columns [{last + 1}] have none"
            )
        return batch.select(range(last))

    def _check_closed(self, end: "_LastRead") -> None:
        """A quote that is never closed takes every row after it into one cell: none of them was read."""
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - TAIL_BYTES))
            tail = file.read().decode(errors="ignore").rstrip()
        if lines := end.open_lines(tail, self._dialect.quote):
            raise Refused(
                "unterminated-quote",
                f"expected a closing quote, received the end of the file {lines} lines after it was opened",
            )


class _Ragged:
    """Rows without as many cells as there are names, in little memory: a block may have millions of them."""

    def __init__(self) -> None:
        self._facts = array("q")

    def add(self, *facts: int) -> None:
        self._facts.extend(facts)

    def taken(self) -> Iterator[str]:
        """Return what is wrong with each row since the last call."""
        facts, self._facts = iter(self._facts), array("q")
        return (
            f"row {number}: expected {expected} cells, received {received}"
            for number, expected, received in zip(facts, facts, facts, strict=True)
        )


class _LastRead:
    """The last cell and the last ragged row. What an open quote has swallowed is in one of them."""

    def __init__(self) -> None:
        self._cell = ""
        self._ragged = ""

    def saw_ragged(self, row: str) -> None:
        self._ragged = row.strip()

    def saw_rows(self, batch: pa.RecordBatch) -> None:
        self._cell = (batch.column(batch.num_columns - 1)[-1].as_py() or "").strip()

    def open_lines(self, tail: str, quote: str) -> int:
        """Count the lines that are in a quote which the file never closes; 0 when none are."""
        as_written = self._cell.replace(quote, quote * 2)[-COMPARED_CHARACTERS:]
        lines = len(self._cell.splitlines())
        if lines > 1 and tail.endswith(as_written):
            return lines
        ragged = self._ragged.splitlines()
        if len(ragged) > 1 and tail.endswith(ragged[-1]) and self._ragged.count(quote) % 2:
            return len(ragged)
        return 0


def _refused(error: pa.ArrowInvalid) -> Refused:
    if "straddling object" in str(error):
        return Refused(
            "row-too-long",
            f"expected rows of at most {BLOCK_BYTES} bytes, received a longer one: an open quote?",
        )
    return Refused("not-csv", "expected CSV, received text that breaks off")
