"""The warehouse: where people query what the platform keeps. One small port, and its embedded adapter.

The embedded adapter keeps every table as a folder of Parquet files below `warehouse/` in the bucket, which
DuckDB and most other engines read as they lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.manifest import Column, content_id
from tidemill_runtime.objects import ObjectStore
from tidemill_transform.column_names import SPAN, warehouse_names
from tidemill_transform.columns import schema_of

ROOT = "warehouse"
# A level is merged into one file of the next when it has more files than this.
MAX_FILES_PER_LEVEL = 256
MERGED_LEVELS = 2


@dataclass(frozen=True)
class Table:
    """A table and the columns that its new rows have. Its rows are looked up by `time`, where that is set."""

    name: str
    columns: tuple[Column, ...]
    time: str | None = None


class Warehouse(Protocol):
    """Tables that grow. Every method may be repeated after a failure, to the same effect."""

    def load(self, table: Table, span: int, name: str) -> None:
        """Put a Parquet object of the bucket in place of the rows that a table has of a span.

        Rows get a column `span`; columns that the table has not are added to it, those that it has narrower
        become wider.
        """

    def append(self, table: Table, key: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows under a key. Rows of a key given again are added again at worst: readers deduplicate."""

    def check(self) -> None:
        """Raise when the warehouse does not answer."""


@dataclass
class ParquetWarehouse:
    """Folders of Parquet files in a bucket. One process appends to a table; any number may read.

    Types and columns are those of each file: engines unite them when they read.
    """

    store: ObjectStore
    _files: dict[str, int] = field(default_factory=dict)

    def load(self, table: Table, span: int, name: str) -> None:
        with TemporaryDirectory(prefix="tidemill-warehouse-") as folder:
            local = Path(folder, "data.parquet")
            self.store.download(name, local)
            names = warehouse_names(column.name for column in table.columns)
            # The folder gives every row its span, over a column of that name.
            clashing = {old: new for old, new in names.items() if old.lower() == SPAN}
            if clashing:
                local = rename_columns(local, clashing)
            self.store.upload(f"{ROOT}/{table.name}/{SPAN}={span}/data.parquet", local)

    def append(self, table: Table, key: str, rows: Sequence[Mapping[str, object]]) -> None:
        content = pa.Table.from_pylist([dict(row) for row in rows], schema=schema_of(table.columns))
        if table.name not in self._files:
            self._files[table.name] = len(self._names(table, 0))
        self._files[table.name] += self.store.create(_file(table, 0, key), _parquet(content))
        if self._files[table.name] > MAX_FILES_PER_LEVEL:
            self._compact(table)
            self._files[table.name] = len(self._names(table, 0))

    def check(self) -> None:
        self.store.list(f"{ROOT}/.")

    def _compact(self, table: Table) -> None:
        """Merge small files: first the merged one is written, then its parts go. Between, rows are twice."""
        for level in range(MERGED_LEVELS):
            names = self._names(table, level)
            if len(names) > MAX_FILES_PER_LEVEL:
                parts = [pq.read_table(pa.BufferReader(self.store.read(name))) for name in names]
                merged = _file(table, level + 1, content_id(*names))
                self.store.write(merged, _parquet(pa.concat_tables(parts)))
                for name in names:
                    self.store.delete(name)

    def _names(self, table: Table, level: int) -> list[str]:
        return self.store.list(f"{ROOT}/{table.name}/{level}-")


def open_warehouse(warehouse_url: str, store: ObjectStore) -> Warehouse:
    """Open the warehouse a URL names: `parquet:` in the bucket, or `bigquery://PROJECT/DATASET`."""
    match urlsplit(warehouse_url).scheme:
        case "parquet":
            return ParquetWarehouse(store)
        case "bigquery":
            from tidemill_transform.bigquery_warehouse import open_bigquery  # noqa: PLC0415 - a slow import

            return open_bigquery(warehouse_url, store)
    raise ValueError(
        f"expected a warehouse URL parquet: or bigquery://PROJECT/DATASET, received {warehouse_url!r}"
    )


def rename_columns(file: Path, names: Mapping[str, str]) -> Path:
    """Copy a Parquet file beside itself with other names for some of its columns; return the copy."""
    source, renamed = pq.ParquetFile(file), file.with_suffix(".renamed")
    wanted = [names.get(name, name) for name in source.schema_arrow.names]
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(source.schema_arrow, wanted, strict=True)]
    )
    with source, pq.ParquetWriter(renamed, schema, compression="zstd") as writer:
        for batch in source.iter_batches():
            writer.write_batch(batch.rename_columns(wanted))
    return renamed


def _file(table: Table, level: int, key: str) -> str:
    return f"{ROOT}/{table.name}/{level}-{key}.parquet"


def _parquet(content: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink, compression="zstd")
    content_bytes: bytes = sink.getvalue().to_pybytes()
    return content_bytes
