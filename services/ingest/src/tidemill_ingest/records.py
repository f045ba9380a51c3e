"""Records as a request brings them: checked as a file's rows are, so that none spoils the batch of others."""

from collections.abc import Iterator
from typing import Any

import orjson

from tidemill_contracts.records import flat
from tidemill_ingest.errors import Refused
from tidemill_ingest.json_lines import MAX_LINE_BYTES
from tidemill_ingest.reader import column_names

MAX_RECORDS = 10_000
MAX_CHECKED_NAMES = 100_000
EXPECTED = (
    'expected {"records": [{...}, ...]}, an array of objects, or one object per line as application/x-ndjson'
)


class RecordReader:
    """Reads requests. Names of columns that were checked are remembered, for the check takes its time."""

    def __init__(self) -> None:
        self._checked: set[str] = set()

    def read(self, body: bytes, *, lines: bool) -> list[bytes]:
        """Return the records, each as one line of JSON with its end.

        Args:
            lines: The body holds one object per line; otherwise it is one document.

        Raises:
            Refused: naming the first record that is none; then none of them counts.
        """
        names: set[str] = set()
        records = []
        for place, value in _lines(body) if lines else _document(body):
            try:
                names.update(flat(value))
            except ValueError as error:
                raise Refused("not-a-record", f"{place}: {error}") from error
            record = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
            if len(record) >= MAX_LINE_BYTES:
                raise Refused(
                    "too-large", f"{place}: expected less than {MAX_LINE_BYTES} bytes, received more"
                )
            records.append(record)
            if len(records) > MAX_RECORDS:
                raise Refused("too-many-records", f"expected at most {MAX_RECORDS} records, received more")
        if not records:
            raise Refused("no-records", f"{EXPECTED}; received no record")
        self._check_names(names)
        return records

    def _check_names(self, names: set[str]) -> None:
        alike = {" ".join(name.split()).casefold() for name in names}
        if not names <= self._checked or len(alike) < len(names):
            column_names(sorted(names))
            if len(self._checked) > MAX_CHECKED_NAMES:
                self._checked.clear()
            self._checked |= names


def _lines(body: bytes) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line and not line.isspace():
            yield f"line {number}", _parsed(line, f"line {number}: expected a JSON object")


def _document(body: bytes) -> Iterator[tuple[str, Any]]:
    document = _parsed(body, EXPECTED)
    records = document.get("records") if isinstance(document, dict) else document
    if not isinstance(records, list):
        raise Refused("not-records", f"{EXPECTED}; received {document!r:.100}")
    for index, record in enumerate(records):
        yield f"records[{index}]", record


def _parsed(text: bytes, expected: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused("not-json", f"{expected}, received {text[:100]!r}: {error}") from error
