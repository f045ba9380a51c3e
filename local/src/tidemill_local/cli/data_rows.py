"""Rows of dataset versions and spans, as they were: a few to look at, or all of them into a file."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from tidemill_contracts import layout
from tidemill_local.cli.answers import Answer
from tidemill_local.cli.catalog import quoted
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.querying import read_answer
from tidemill_local.cli.stored import StoredData, Version

SIDE_COLUMN = "__side__"
REASONS = 5
FORMATS = {".parquet": "PARQUET", ".csv": "CSV", ".jsonl": "JSON"}


def rows_of_version(data: StoredData, version: Version, count: int) -> Answer:
    """Read the first rows of a dataset version; `__side__` says which side of the split each is on."""
    return _read(_version_rows(data, version), count)


def rows_of_span(data: StoredData, number: int, count: int) -> Answer:
    """Read the first rows of a span."""
    name = layout.span(data.pipeline, data.span(number).span_id, "data.parquet")
    return _read(f"FROM {_parquet(data, [name])}", count)


def reasons_of(data: StoredData, names: Iterable[str], column: str) -> list[tuple[str, int]]:
    """Count why rows were set aside into objects with a column of reasons; the most frequent come first."""
    count = f'SELECT "{column}", count(*) AS times FROM {_parquet(data, names)} GROUP BY ALL '  # noqa: S608
    return [(str(reason), times) for reason, times in _read(f"{count} ORDER BY times DESC, 1", REASONS).rows]


def export_version(data: StoredData, version: Version, file: Path) -> int:
    """Write all rows of a dataset version to a new file, in the format of its name; return how many."""
    if file.suffix not in FORMATS:
        raise CommandFailed(f"expected a file that ends in {', '.join(FORMATS)}, received {file.name!r}")
    if file.exists():
        raise CommandFailed(f"expected no file {file}, there is one: nothing is overwritten")
    copy = f"COPY ({_version_rows(data, version)}) TO {quoted(file)} (FORMAT {FORMATS[file.suffix]})"
    with duckdb.connect(config={"preserve_insertion_order": "true"}) as database:
        try:
            ((rows,),) = database.execute(copy).fetchall()
        except duckdb.Error as error:
            raise CommandFailed(f"could not write {file}: {error}") from error
    return int(rows)


def _version_rows(data: StoredData, version: Version) -> str:
    manifest = version.manifest
    sides = {"train": manifest.train_files, "eval": manifest.eval_files}
    selects = []
    for side, files in sides.items():
        names = [layout.dataset(data.pipeline, manifest.dataset_id, file) for file in files]
        selects.append(f"SELECT '{side}' AS {SIDE_COLUMN}, * FROM {_parquet(data, names)}")  # noqa: S608
    return " UNION ALL BY NAME ".join(selects)


def _parquet(data: StoredData, names: Iterable[str]) -> str:
    return f"read_parquet([{', '.join(quoted(data.store.uri(name)) for name in names)}])"


def _read(query: str, count: int) -> Answer:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        try:
            return read_answer(database.execute(query), count)
        except duckdb.Error as error:
            raise CommandFailed(f"could not read the rows: {error}") from error
