"""What tables of the warehouse are in BigQuery: their columns, their partitions, and how both grow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap

from google.cloud.bigquery import (
    PartitionRange,
    RangePartitioning,
    SchemaField,
    TimePartitioning,
)
from google.cloud.bigquery import Table as BigQueryTable

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_transform.column_names import PLAIN, SPAN, warehouse_names
from tidemill_transform.columns import widest
from tidemill_transform.warehouse import Table

TYPES: Mapping[ColumnType, str] = {
    "bool": "BOOL",
    "int": "INT64",
    "float": "FLOAT64",
    "timestamp": "TIMESTAMP",
    "string": "STRING",
}
# The API also answers with the older names.
COLUMN_TYPES: Mapping[str, ColumnType] = {name: column_type for column_type, name in TYPES.items()} | {
    "BOOLEAN": "bool",
    "INTEGER": "int",
    "FLOAT": "float",
}
LABELS = {"app": "tidemill"}
# BigQuery keeps 10,000 partitions of a table, and a stream has more spans than that in weeks.
SPANS = RangePartitioning(PartitionRange(start=0, end=1_000_000, interval=100), SPAN)


def describe(table: Table, reference: str, policy_tag: str) -> BigQueryTable:
    """Describe a table that is still to be created."""
    described = BigQueryTable(reference, fields(table, policy_tag))
    described.labels = LABELS
    if table.time is None:
        described.range_partitioning = SPANS
        described.clustering_fields = [SPAN]
    else:
        described.time_partitioning = TimePartitioning(field=table.time)
    return described


def fields(table: Table, policy_tag: str) -> list[SchemaField]:
    """Say what columns a table must have at least."""
    names = warehouse_names(column.name for column in table.columns)
    wanted = [_field(column, names[column.name], policy_tag) for column in table.columns]
    return wanted if table.time else [SchemaField(SPAN, "INT64"), *wanted]


def widened(present: Sequence[SchemaField], wanted: Iterable[SchemaField]) -> dict[str, str]:
    """Map columns that must become wider to the types that hold both what is there and what is wanted."""
    wanted_types = {field.name.lower(): field.field_type for field in wanted}
    wider = {}
    for field in present:
        if field.name.lower() in wanted_types:
            before, other = (
                COLUMN_TYPES[each] for each in (field.field_type, wanted_types[field.name.lower()])
            )
            if (after := widest(before, other)) != before:
                wider[field.name] = TYPES[after]
    return wider


def merged(
    present: Sequence[SchemaField], wanted: Sequence[SchemaField], wider: Mapping[str, str]
) -> list[SchemaField]:
    """Return the columns of a table when those that are wanted were added; none is ever removed."""
    known = {field.name.lower(): field for field in wanted}
    added = [field for field in wanted if field.name.lower() not in {each.name.lower() for each in present}]
    return [_changed(field, known.get(field.name.lower()), wider) for field in present] + added


def staged_names(columns: Iterable[Column]) -> dict[str, str]:
    """Map columns to names that a file may have to be loaded: all their own, or none of them."""
    names = warehouse_names(column.name for column in columns)
    if all(name == legal and PLAIN.fullmatch(name) for name, legal in names.items()):
        return names
    return {name: f"c{number}" for number, name in enumerate(names)}


def widen_statement(reference: str, wider: Mapping[str, str]) -> str:
    """Read a whole table with some columns in wider types."""
    casts = ", ".join(starmap("CAST(`{0}` AS {1}) AS `{0}`".format, wider.items()))
    return f"SELECT * REPLACE ({casts}) FROM `{reference}`"  # noqa: S608 - names have no quotes, see warehouse_names


@dataclass(frozen=True)
class Incoming:
    """The rows of a span in a table of their own, and the table that they are for.

    `columns` are all of the latter, each with its name in the former and the type to give it.
    """

    target: str
    source: str
    span: int
    columns: Mapping[str, tuple[str, str]]

    def insert_statement(self) -> str:
        """Add the rows where there are none of the span. Reads one column of a partition, not all of it."""
        known = f"SELECT 1 FROM `{self.target}` WHERE {SPAN} = {self.span}"  # noqa: S608
        return f"INSERT INTO `{self.target}` ({self._names}) {self._rows} WHERE NOT EXISTS ({known})"

    def merge_statement(self) -> str:
        """Put the rows in place of those that are there of the span, at once. Reads a whole partition."""
        return (
            f"MERGE `{self.target}` AS kept USING ({self._rows}) AS incoming ON FALSE "  # noqa: S608
            f"WHEN NOT MATCHED BY SOURCE AND kept.{SPAN} = {self.span} THEN DELETE "
            f"WHEN NOT MATCHED BY TARGET THEN INSERT ({self._names}) VALUES ({self._names})"
        )

    @property
    def _names(self) -> str:
        return ", ".join(f"`{name}`" for name in (*self.columns, SPAN))

    @property
    def _rows(self) -> str:
        values = [f"CAST(`{name}` AS {kind}) AS `{new}`" for new, (name, kind) in self.columns.items()]
        return f"SELECT {', '.join([*values, f'{self.span} AS `{SPAN}`'])} FROM `{self.source}`"  # noqa: S608


def _field(column: Column, name: str, policy_tag: str) -> SchemaField:
    field: dict[str, object] = {"name": name, "type": TYPES[column.type]}
    notes = [] if name == column.name else [f"Column {column.name!r} of the files."]
    if column.privacy != "keep":
        notes.append(f"Restricted: {column.privacy}, taken for {column.pii or 'personal data'}.")
        if policy_tag:
            field["policyTags"] = {"names": [policy_tag]}
    if notes:
        field["description"] = " ".join(notes)
    return SchemaField.from_api_repr(field)


def _changed(present: SchemaField, wanted: SchemaField | None, wider: Mapping[str, str]) -> SchemaField:
    # What someone wrote about a column stays; what is known of it is added where there is nothing.
    known = wanted.to_api_repr() if wanted else {}
    field = known | present.to_api_repr()
    return SchemaField.from_api_repr(field | {"type": wider.get(present.name, field["type"])})
