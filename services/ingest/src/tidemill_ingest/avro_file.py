"""Avro object container files, streamed record by record."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import Look, Reject, Seen, column_names
from tidemill_ingest.values import ROWS_PER_BATCH

MAGIC = b"Obj\x01"
TYPES: Mapping[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
    "date": pa.date32(),
    "timestamp-millis": pa.timestamp("us", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("us"),
    "local-timestamp-micros": pa.timestamp("us"),
    "decimal": pa.float64(),
    "uuid": pa.string(),
}
WHOLE_DECIMAL = pa.decimal256(76, 0)
COLUMN_TYPES: Mapping[pa.DataType, ColumnType] = {
    pa.null(): "string",
    pa.bool_(): "bool",
    pa.int64(): "int",
    WHOLE_DECIMAL: "int",
    pa.float64(): "float",
    pa.string(): "string",
}
# What a decoder of hostile bytes ends in: fastavro documents no error of its own for them.
BROKEN: tuple[type[Exception], ...] = (
    *(ValueError, LookupError, ArithmeticError, TypeError, AttributeError, EOFError, OSError, MemoryError),
    *(RecursionError, StopIteration, struct.error, zlib.error, fastavro.schema.SchemaParseException),
)


class AvroFile:
    """One file on disk."""

    lists_columns = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Read the types from the schema; raise Refused naming every column of another kind."""
        types = {name: COLUMN_TYPES.get(kind, "timestamp") for name, kind in self._arrow_types().items()}
        rows = 0
        for batch in self.batches(reject):
            look(Seen(batch, {}, lambda: types))
            rows += batch.num_rows
        return types if rows else {}

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - rows are whole or none is
        """Stream the rows as typed columns."""
        schema = pa.schema(list(self._arrow_types().items()))
        try:
            with self._path.open("rb") as file:
                records = fastavro.reader(file)
                while rows := list(islice(records, ROWS_PER_BATCH)):
                    yield _as_batch(rows, schema)
        except BROKEN as error:
            raise _refused(error) from error

    def _arrow_types(self) -> dict[str, pa.DataType]:
        try:
            with self._path.open("rb") as file:
                schema = fastavro.reader(file).writer_schema
            if not isinstance(schema, dict) or schema.get("type") != "record":
                raise Refused("not-avro", f"expected Avro records, received the schema {schema!r:.200}")
            types = {field["name"]: _arrow_type(field["type"]) for field in schema["fields"]}
        except BROKEN as error:
            raise _refused(error) from error
        if others := [
            f"{f['name']} ({_kind(f['type'])})" for f in schema["fields"] if types[f["name"]] is None
        ]:
            raise Refused(
                "unsupported-column",
                "expected numbers, booleans, text, dates and timestamps; received the columns "
                f"{', '.join(others)[:400]}: leave them out or flatten them",
            )
        column_names(list(types))
        return types


def _arrow_type(avro_type: Any) -> pa.DataType | None:
    """Say how a column is held; None when its values are no single number, boolean, text or time."""
    if not isinstance(avro_type, list):
        is_whole = _kind(avro_type) == "decimal" and not avro_type.get("scale")
        return WHOLE_DECIMAL if is_whole else TYPES.get(_kind(avro_type))
    kinds = {_arrow_type(branch) for branch in avro_type} - {pa.null()}
    if kinds == {pa.int64(), pa.float64()}:
        return pa.float64()
    return kinds.pop() if len(kinds) == 1 else None


def _kind(avro_type: Any) -> str:
    """Name a type as Avro does, its logical type first."""
    if isinstance(avro_type, list):
        return " or ".join(map(_kind, avro_type))
    if not isinstance(avro_type, dict):
        return str(avro_type)
    return str(avro_type.get("logicalType") or avro_type["type"])


def _as_batch(rows: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.type == pa.float64():  # decimals come as Decimal
            values = [None if value is None else float(value) for value in values]
        elif field.type == pa.string():  # UUIDs come as UUID
            values = [None if value is None else str(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, names=column_names(schema.names))


def _refused(error: Exception) -> Refused:
    return Refused("not-avro", f"expected a whole Avro file, received {type(error).__name__} in reading it")
