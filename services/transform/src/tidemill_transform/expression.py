"""A SQL expression over one row, read and evaluated by DuckDB.

The expression comes from a pipeline's author, so the connection can reach nothing but the rows it is given,
and only expressions that give one answer per row, the same every time, are accepted.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from tidemill_contracts.events import Reason
from tidemill_transform.columns import listed, suggested
from tidemill_transform.errors import Unfit

# The kinds of node in DuckDB's syntax tree that look at one row only, and at columns by name.
ROW_NODES = frozenset(
    {"COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION"}
    | {"BETWEEN", "CASE", "CAST", "TYPE", "COLLATE"}
)
CONFINEMENT = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
}
QUOTING = "; names with other characters than letters, digits and _ are written in double quotes"
VOLATILE = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"


class Invalid(ValueError):
    """The expression is none that gives one answer per row; the message says what was expected."""


class Checked(NamedTuple):
    """What an accepted expression names, and the type of its answers."""

    columns: frozenset[str]
    type: pa.DataType


class RowExpression:
    """Evaluates one expression over batches of rows; owns its connection to DuckDB."""

    def __init__(self, expression: str) -> None:
        self._connection = duckdb.connect(":memory:", config=dict(CONFINEMENT))
        # Otherwise the hour of a timestamp would be that of the machine's time zone.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")
        self._expression = expression
        # The line break ends a comment that the expression may end in.
        self._query = f"SELECT ({expression}\n) AS answer FROM rows"  # noqa: S608 - confined, see above

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def values(self, rows: pa.RecordBatch) -> pa.Array:
        """Return one value per row of whatever type the expression has; raise duckdb.Error."""
        self._connection.register("rows", rows)
        try:
            answers: pa.Table = self._connection.sql(self._query).to_arrow_table()
            return answers["answer"].combine_chunks()
        finally:
            self._connection.unregister("rows")

    def syntax(self) -> list[dict[str, Any]]:
        """Return the expression's nodes in DuckDB's syntax tree; raise Invalid when it does not parse."""
        tree = json.loads(self._one("SELECT json_serialize_sql(?)", self._query))
        if tree["error"]:
            hint = QUOTING if tree["error_type"] == "parser" else ""
            raise Invalid(f"expected a SQL expression, received {tree['error_message']}{hint}")
        selected = [item for each in tree["statements"] for item in each["node"].get("select_list", [])]
        if len(tree["statements"]) != 1 or len(selected) != 1:
            raise Invalid(f"expected one SQL expression, received {self._expression!r}")
        return list(_nodes(selected))

    def volatile_functions(self) -> set[str]:
        """Name DuckDB's functions whose answer depends on more than their arguments."""
        return {name for (name,) in self._connection.execute(VOLATILE).fetchall()}

    def _one(self, query: str, *parameters: str) -> str:
        row = self._connection.execute(query, parameters).fetchone()
        return "" if row is None else str(row[0])


def check_expression(expression: str, schema: pa.Schema, what: str) -> Checked:
    """Read an expression; raise Unfit when it gives no answer for rows that have these columns.

    Args:
        what: What it is for, such as label: codes and messages begin with it.
    """
    evaluated = RowExpression(expression)
    try:
        nodes = evaluated.syntax()
        _check_nodes(nodes, evaluated.volatile_functions())
        return Checked(_named_columns(nodes, schema.names, what), _type(evaluated, schema))
    except Invalid as error:
        raise Unfit(Reason(code=f"{what}-invalid", message=str(error))) from error
    finally:
        evaluated.close()


def _check_nodes(nodes: Sequence[dict[str, Any]], volatile: set[str]) -> None:
    if kinds := sorted({node["class"] for node in nodes} - ROW_NODES):
        raise Invalid(f"expected an expression over one row, received {', '.join(kinds).lower()}")
    called = {node["function_name"] for node in nodes if node["class"] == "FUNCTION"}
    if unstable := sorted(called & volatile):
        raise Invalid(f"expected the same answer every time, received a call of {', '.join(unstable)}")


def _named_columns(nodes: Sequence[dict[str, Any]], available: Sequence[str], what: str) -> frozenset[str]:
    named, missing = set[str](), []
    for parts in (node["column_names"] for node in nodes if node["class"] == "COLUMN_REF"):
        # DuckDB ignores case: of columns that differ in nothing else, any may be the one that was meant.
        folded = {part.lower() for part in parts}
        found = {name for name in available if name.lower() in folded}
        named |= found
        if not found:
            missing.append(".".join(parts))
    if missing:
        told = f"the {what} names {suggested(missing, available)}"
        message = f"expected columns among {listed(available)}, {told}"
        raise Unfit(Reason(code=f"{what}-missing-column", message=message))
    return frozenset(named)


def _type(evaluated: RowExpression, schema: pa.Schema) -> pa.DataType:
    two_rows = pa.RecordBatch.from_arrays([pa.nulls(2, field.type) for field in schema], schema=schema)
    try:
        values = evaluated.values(two_rows)
    except duckdb.Error as error:
        raise Invalid(f"{error}; columns are {listed(schema.names)}") from error
    if len(values) != len(two_rows):
        raise Invalid(f"expected one answer per row, received {len(values)} for {len(two_rows)} rows")
    return values.type


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for child in tree.values():
            yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)
