"""Parquet, streamed row group by row group, its types mapped to ours."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.native import is_whole_decimal
from tidemill_ingest.reader import Look, Reject, Seen, column_names

MAGIC = b"PAR1"
MAX_BATCH_ROWS = 1 << 16
BATCH_BYTES = 16 << 20


class ParquetFile:
    """One file on disk."""

    lists_columns = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Read the types from the schema; raise Refused naming every column of another kind."""
        with self._open() as file:
            schema = file.schema_arrow
            if not file.metadata.num_rows:
                return {}
        names = column_names(schema.names)
        kinds = {name: column_type_of(kind) for name, kind in zip(names, schema.types, strict=True)}
        if others := [f"{name} ({schema.types[i]})" for i, name in enumerate(names) if kinds[name] is None]:
            raise Refused(
                "unsupported-column",
                "expected numbers, booleans, text, dates and timestamps; received the columns "
                f"{', '.join(others)[:400]}: leave them out or flatten them",
            )
        types = {name: column_type for name, column_type in kinds.items() if column_type is not None}
        for batch in self.batches(reject):
            look(Seen(batch, {}, lambda: types))
        return types

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - rows are whole or none is
        """Stream the rows as typed columns."""
        try:
            with self._open() as file:
                names = column_names(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=_batch_rows(file.metadata)):
                    # Arrow takes a file's word that its texts are UTF-8; nobody after us could read others.
                    batch.validate(full=True)
                    yield pa.RecordBatch.from_arrays(batch.columns, names=names)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _refused(error) from error

    def _open(self) -> pq.ParquetFile:
        try:
            # A buffer, so that a row group is read piece by piece whatever its size.
            return pq.ParquetFile(self._path, buffer_size=1 << 20, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _refused(error) from error


_TYPES: tuple[tuple[Callable[[pa.DataType], bool], ColumnType], ...] = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int"),
    (pa.types.is_floating, "float"),
    (is_whole_decimal, "int"),
    (pa.types.is_decimal, "float"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "timestamp"),
    (pa.types.is_string, "string"),
    (pa.types.is_large_string, "string"),
    (pa.types.is_string_view, "string"),
    (pa.types.is_null, "string"),
)


def column_type_of(arrow_type: pa.DataType) -> ColumnType | None:
    """Say which of our types holds an Arrow type's values; None when none does."""
    if pa.types.is_dictionary(arrow_type):
        return column_type_of(arrow_type.value_type)
    for belongs, column_type in _TYPES:
        if belongs(arrow_type):
            return column_type
    return None


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    row_bytes = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1)
    return max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))


def _refused(error: Exception) -> Refused:
    return Refused("not-parquet", f"expected a whole Parquet file, received {error}")
