"""Reading the embedded warehouse: a DuckDB connection with one view per table folder."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

# Rows of these tables may lie in the warehouse twice; the one stored first counts.
ONCE = {
    "events": "QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY published_at) = 1",
    "dead_letters": "QUALIFY row_number() OVER (PARTITION BY message_id ORDER BY time) = 1",
}


def open_catalog(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """Open a connection whose views are the tables that have rows; the caller closes it.

    Args:
        warehouse: Folder of the warehouse; a missing one has no tables.
    """
    connection = duckdb.connect(":memory:")
    for table in _tables(warehouse):
        files = str(warehouse / table / "**" / "*.parquet").replace("'", "''")
        connection.execute(
            f'CREATE VIEW "{table}" AS SELECT * FROM '  # noqa: S608 - the folder's own names
            f"read_parquet('{files}', hive_partitioning = true, union_by_name = true) {ONCE.get(table, '')}"
        )
    return connection


def _tables(warehouse: Path) -> Iterator[str]:
    if warehouse.is_dir():
        for folder in sorted(warehouse.iterdir()):
            if any(folder.rglob("*.parquet")):
                yield folder.name
