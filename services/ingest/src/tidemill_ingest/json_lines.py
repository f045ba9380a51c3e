"""JSON Lines: one object per line, or one array of objects. Objects within objects become `outer.inner`."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_contracts.records import flat
from tidemill_ingest.columns import infer_types
from tidemill_ingest.encoding import Text
from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import Look, Reject, as_written
from tidemill_ingest.rejects import hidden
from tidemill_ingest.values import Row, batches_of

MAX_LINE_BYTES = 8 << 20
# An array is parsed as a whole.
MAX_ARRAY_BYTES = 32 << 20


class JsonFile:
    """One file on disk. A line that is no flat enough object is set aside, and reading goes on."""

    lists_columns = False

    def __init__(self, text: Text, declared: Collection[str], known: Collection[str]) -> None:
        self._text = text
        self._declared = declared
        self._known = known

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Infer the types from every value: JSON's own, and timestamps for ISO 8601 strings."""
        return infer_types(self.batches(reject), text_types=("timestamp",), look=look)

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the rows; values of a column with several kinds come as text."""
        yield from batches_of(self._rows(reject), reject, self._declared)

    def _rows(self, reject: Reject) -> Iterator[tuple[Row, int]]:
        names = _Names(self._known)
        for place, value, size_bytes in self._values(reject):
            try:
                row = flat(value)
                names.check(row)
                yield row, size_bytes
            except ValueError as error:
                reject(f"{place}: {hidden(str(error))}")  # names that no row has are not looked at

    def _values(self, reject: Reject) -> Iterator[tuple[str, Any, int]]:
        with self._text.path.open("rb") as file:
            file.seek(self._text.start)
            if file.peek(1 << 10)[: 1 << 10].lstrip().startswith(b"["):
                if self._text.path.stat().st_size <= MAX_ARRAY_BYTES:
                    yield from _array(file.read())
                    return
                raise Refused(
                    "json-array-too-large",
                    f"expected JSON Lines, received an array of more than {MAX_ARRAY_BYTES} bytes: write one "
                    "object per line",
                )
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) == MAX_LINE_BYTES:
                    raise Refused("row-too-long", f"line {number}: expected less than {MAX_LINE_BYTES} bytes")
                if not line.isspace():
                    try:
                        yield f"line {number}", _parse(line), len(line)
                    except (ValueError, RecursionError) as error:
                        reject(f"line {number}: expected a JSON object: {error}")


class _Names:
    """How columns are spelled. One row that spells them in another case would spoil all the others."""

    def __init__(self, known: Collection[str]) -> None:
        self._seen = set(known)
        self._spelled = {name.casefold(): name for name in known}

    def check(self, row: Row) -> None:
        """Take in the names of a row; raise ValueError for one that is written otherwise elsewhere."""
        if self._seen.issuperset(row):
            return
        names = [as_written(name) for name in row]
        for name in names:
            known = self._spelled.setdefault(name.casefold(), name)
            if known != name and known not in names:
                raise ValueError(f"expected the column {known}, received {name}")
        self._seen.update(row)


def _array(text: bytes) -> Iterator[tuple[str, Any, int]]:
    try:
        values = _parse(text)
    except (ValueError, RecursionError) as error:
        raise Refused("not-json", f"expected JSON Lines or an array of objects: {error}") from error
    for index, value in enumerate(values):
        yield f"element {index + 1}", value, len(text) // len(values)


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Python's writer spells NaN and infinities as words that are not JSON.
        if b"NaN" not in text and b"Infinity" not in text:
            raise
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a character pair is no text
        return value
