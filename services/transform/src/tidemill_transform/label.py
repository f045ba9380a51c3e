"""The label: a SQL expression over one row, read and evaluated by DuckDB.

The expression comes from a pipeline's author, so the connection can reach nothing but the rows it is given,
and only expressions that give one answer per row, the same every time, are accepted.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Task
from tidemill_transform.errors import Unfit
from tidemill_transform.task import LABEL_TYPES, WrongLabel, as_labels, task_of

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
VOLATILE = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"


@dataclass(frozen=True)
class Label:
    """A checked expression. `columns` are those it names, which can therefore be no features."""

    expression: str
    columns: frozenset[str]
    task: Task


class Labeller:
    """Evaluates one expression over batches of rows; owns its connection to DuckDB."""

    def __init__(self, expression: str) -> None:
        self._connection = duckdb.connect(":memory:", config=dict(CONFINEMENT))
        # Otherwise the hour of a timestamp would be that of the machine's time zone.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")
        self._expression = expression
        # The line break ends a comment that the expression may end in.
        self._query = f"SELECT ({expression}\n) AS label FROM rows"  # noqa: S608 - confined, see above

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def values(self, rows: pa.RecordBatch) -> pa.Array:
        """Return one value per row of whatever type the expression has; raise duckdb.Error."""
        self._connection.register("rows", rows)
        try:
            labels: pa.Table = self._connection.sql(self._query).to_arrow_table()
            return labels["label"].combine_chunks()
        finally:
            self._connection.unregister("rows")

    def syntax(self) -> list[dict[str, Any]]:
        """Return the expression's nodes in DuckDB's syntax tree; raise Unfit when it does not parse."""
        tree = json.loads(self._one("SELECT json_serialize_sql(?)", self._query))
        if tree["error"]:
            raise _invalid(f"expected a SQL expression, received {tree['error_message']}")
        selected = [item for each in tree["statements"] for item in each["node"].get("select_list", [])]
        if len(tree["statements"]) != 1 or len(selected) != 1:
            raise _invalid(f"expected one SQL expression, received {self._expression!r}")
        return list(_nodes(selected))

    def volatile_functions(self) -> set[str]:
        """Name DuckDB's functions whose answer depends on more than their arguments."""
        return {name for (name,) in self._connection.execute(VOLATILE).fetchall()}

    def _one(self, query: str, *parameters: str) -> str:
        row = self._connection.execute(query, parameters).fetchone()
        return "" if row is None else str(row[0])


def check_label(expression: str, schema: pa.Schema, wanted: Task | None = None) -> Label:
    """Read a label expression; raise Unfit when it cannot label rows that have these columns.

    Args:
        wanted: What is to be learned; None for what the expression's type suggests.
    """
    labeller = Labeller(expression)
    try:
        nodes = labeller.syntax()
        _check_nodes(nodes, labeller.volatile_functions())
        columns = _named_columns(nodes, schema.names)
        task = task_of(_type(labeller, schema), wanted)
    finally:
        labeller.close()
    return Label(expression, columns, task)


def labels_of(labeller: Labeller, rows: pa.RecordBatch, task: Task) -> tuple[pa.Array, str | None]:
    """Return a label or null for each row; all are null where there is an error, which is returned too."""
    try:
        return as_labels(labeller.values(rows), task), None
    except (duckdb.DataError, duckdb.ProgrammingError, WrongLabel) as error:
        return pa.nulls(rows.num_rows, LABEL_TYPES[task]), str(error)


def _check_nodes(nodes: Sequence[dict[str, Any]], volatile: set[str]) -> None:
    if kinds := sorted({node["class"] for node in nodes} - ROW_NODES):
        raise _invalid(f"expected an expression over one row, received {', '.join(kinds).lower()}")
    called = {node["function_name"] for node in nodes if node["class"] == "FUNCTION"}
    if unstable := sorted(called & volatile):
        raise _invalid(f"expected the same answer every time, received a call of {', '.join(unstable)}")


def _named_columns(nodes: Sequence[dict[str, Any]], available: Sequence[str]) -> frozenset[str]:
    named, missing = set[str](), []
    for parts in (node["column_names"] for node in nodes if node["class"] == "COLUMN_REF"):
        # DuckDB ignores case: of columns that differ in nothing else, any may be the one that was meant.
        folded = {part.lower() for part in parts}
        found = {name for name in available if name.lower() in folded}
        named |= found
        if not found:
            missing.append(".".join(parts))
    if missing:
        raise Unfit(
            Reason(
                code="label-missing-column",
                message=f"expected columns among {list(available)}, the label names {missing}",
            )
        )
    return frozenset(named)


def _type(labeller: Labeller, schema: pa.Schema) -> pa.DataType:
    two_rows = pa.RecordBatch.from_arrays([pa.nulls(2, field.type) for field in schema], schema=schema)
    try:
        values = labeller.values(two_rows)
    except duckdb.Error as error:
        raise _invalid(f"{error}; columns are {schema.names}") from error
    if len(values) != len(two_rows):
        raise _invalid(f"expected one answer per row, received {len(values)} for {len(two_rows)} rows")
    return values.type


def _invalid(message: str) -> Unfit:
    return Unfit(Reason(code="label-invalid", message=message))


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for child in tree.values():
            yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)
