"""How a CSV file is written: its delimiter and quotes, its column names, and where its rows begin."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from tidemill_ingest.encoding import Text
from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import column_names

HEAD_BYTES = 4 << 20
SAMPLED_ROWS = 200
DELIMITERS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?')
VALUE = re.compile(
    r"[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}([ T].*)?"
)
# A backslash before a quote inside a cell, as MySQL writes it; Windows paths end cells with one.
ESCAPED_QUOTE = re.compile(r'[^\\]\\"[^,;\t|\r\n]')


@dataclass(frozen=True)
class Dialect:
    """`names` may be one more than the columns: a delimiter that ends every line adds one without a name.

    `rows_at` is the byte at which the line after the header begins.
    """

    delimiter: str
    quote: str
    escape: str | None
    names: list[str]
    trailing_delimiter: bool
    rows_at: int


def dialect_of(text: Text, known: Collection[str]) -> Dialect:
    """Read the head of a file.

    Args:
        known: Columns of earlier files; empty when there are none.

    Raises:
        Refused: no header, or one whose names cannot be used.
    """
    head = _head(text)
    preamble, delimiter = _preamble(head)
    body = head[preamble:]
    delimiter = delimiter or _delimiter(body)
    quote = _quote(body, delimiter)
    header, length = _first_row(body, delimiter, quote)
    _check_is_header(header, known)
    trailing = len(header) > 1 and not header[-1].strip()
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        escape="\\" if ESCAPED_QUOTE.search(body) and '""' not in body else None,
        names=column_names(header[:-1] if trailing else header),
        trailing_delimiter=trailing,
        rows_at=text.start + len(head[: preamble + length].encode()),
    )


def _head(text: Text) -> str:
    with text.path.open("rb") as file:
        file.seek(text.start)
        # The cut may fall inside a character.
        return file.read(HEAD_BYTES).decode(errors="ignore")


def _preamble(head: str) -> tuple[int, str | None]:
    """Pass over blank lines, comments and Excel's `sep=;`; return their length and the delimiter named."""
    length, delimiter = 0, None
    for line in io.StringIO(head, newline=""):
        separator = SEPARATOR_LINE.fullmatch(line.strip("\r\n"))
        comment = line.startswith("#") and not any(mark in line for mark in DELIMITERS)
        if separator:
            delimiter = separator[1]
        elif line.strip() and not comment:
            break
        length += len(line)
    return length, delimiter


def _delimiter(body: str) -> str:
    """Choose what splits most rows into as many cells as the header; a comma when nothing does."""

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            header, *rows = islice(csv.reader(_lines(body), delimiter=delimiter), SAMPLED_ROWS)
        except (csv.Error, ValueError):
            return 0, 0
        rows = [row for row in rows if row]
        alike = sum(len(row) == len(header) for row in rows)
        return ((alike + 1) / (len(rows) + 1), len(header)) if len(header) > 1 else (0, 0)

    return max(DELIMITERS, key=fit)


def _quote(body: str, delimiter: str) -> str:
    cells = next(_lines(body), "").strip().split(delimiter)
    single = all(len(cell) > 1 and cell.startswith("'") and cell.endswith("'") for cell in cells)
    return "'" if single else '"'


def _first_row(body: str, delimiter: str, quote: str) -> tuple[list[str], int]:
    length = 0

    def counted() -> Iterator[str]:
        nonlocal length
        for line in _lines(body):
            length += len(line)
            yield line

    try:
        header = next(csv.reader(counted(), delimiter=delimiter, quotechar=quote), [])
    except csv.Error as error:
        raise Refused("no-header", f"expected a line of column names, received one with {error}") from error
    return header, length


def _lines(body: str) -> Iterator[str]:
    return iter(io.StringIO(body, newline=""))


def _check_is_header(header: list[str], known: Collection[str]) -> None:
    cells = [cell.strip() for cell in header if cell.strip()]
    if not cells:
        raise Refused("no-header", f"expected a first line of column names, received {header!r:.80}")
    if all(VALUE.fullmatch(cell) for cell in cells):
        raise Refused("no-header", "expected a first line of column names, received numbers and dates")
    if known and len(header) == len(known) and not set(cells).intersection(known):
        raise Refused(
            "no-header",
            f"expected a first line of the column names {list(known)!r:.400}, received none of them",
        )
