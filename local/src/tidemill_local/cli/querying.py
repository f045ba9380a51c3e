"""`tidemill sql`: a question about what the platform keeps."""

from pathlib import Path

import duckdb

from tidemill_local.cli.answers import Answer
from tidemill_local.cli.catalog import open_catalog
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.ledger import ATTEMPTS

TABLES = """
SELECT table_name AS "table", string_agg(column_name, ', ' ORDER BY column_index) AS columns
FROM duckdb_columns() WHERE NOT internal GROUP BY ALL ORDER BY ALL
"""


def read_answer(result: duckdb.DuckDBPyConnection, limit: int) -> Answer:
    """Read at most `limit` rows of a result; 0 means all."""
    described = result.description or []
    rows = result.fetchmany(limit + 1) if limit else result.fetchall()
    return Answer(
        names=[column[0] for column in described],
        types=[str(column[1]) for column in described],
        rows=rows[:limit] if limit else rows,
        is_cut=bool(limit) and len(rows) > limit,
    )


def ask(bucket: Path, query: str, limit: int) -> Answer:
    """Answer one SELECT; raise CommandFailed with DuckDB's reason, and the tables when one is unknown."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with open_catalog(bucket) as catalog:
                return _answer(catalog, query, limit)
        except duckdb.IOException as error:
            if attempt == ATTEMPTS:
                raise CommandFailed(_line(error)) from error
    raise AssertionError("the loop returns or raises")


def _answer(catalog: duckdb.DuckDBPyConnection, query: str, limit: int) -> Answer:
    try:
        _check(query)
        return read_answer(catalog.execute(query), limit)
    except duckdb.IOException:
        raise
    except duckdb.CatalogException as error:
        tables = ", ".join(name for (name,) in catalog.execute("SHOW TABLES").fetchall())
        raise CommandFailed(f"{_line(error)} Tables are {tables}") from error
    except duckdb.Error as error:
        raise CommandFailed(_line(error)) from error


def _check(query: str) -> None:
    statements = duckdb.extract_statements(query)
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        received = ", ".join(kind.name for kind in kinds) or "nothing"
        raise CommandFailed(f"expected one SELECT, received {received}: nothing can be changed here")


def _line(error: duckdb.Error) -> str:
    """Return what is wrong, without the picture of the query below it."""
    return " ".join(str(error).split("\n\n")[0].split()).rstrip("!.") + "."
