"""How a file will be stored, decided before any row is: columns, types, and what is kept of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.events import SchemaChange
from tidemill_contracts.manifest import Column, content_id
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.evolution import changes, check_changes, reconcile, retyped
from tidemill_ingest.personal import classify
from tidemill_ingest.privacy import decide
from tidemill_ingest.reader import Reader, column_names
from tidemill_ingest.rejects import Tally
from tidemill_ingest.sampling import Sample


@dataclass(frozen=True)
class Expected:
    """What is known of a pipeline's files: the newest accepted span's columns, and what the spec declares."""

    columns: tuple[Column, ...] = ()
    specs: Mapping[str, ColumnSpec] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Columns that earlier files had, of which none was dropped."""
        return [column.name for column in self.columns if column.privacy != "drop"]

    @property
    def types(self) -> dict[str, ColumnType]:
        """Columns whose types the spec declares."""
        return {name: spec.type for name, spec in self.specs.items() if spec.type is not None}


@dataclass(frozen=True)
class Plan:
    """`columns` are all of a file, those too that are not stored."""

    columns: tuple[Column, ...]
    changes: tuple[SchemaChange, ...]

    @property
    def types(self) -> dict[str, ColumnType]:
        """The columns that are stored."""
        return {column.name: column.type for column in self.columns if column.privacy != "drop"}

    @property
    def is_restricted(self) -> bool:
        """Whether anything in the file must not be shown."""
        return any(column.privacy != "keep" for column in self.columns)


def address(content: str, specs: Mapping[str, ColumnSpec]) -> str:
    """Address a span: by what was dropped, and by what the spec says of how it is read and kept.

    So a file that is dropped again after a column became private becomes another span.
    """
    declared = (
        f"{name} {spec.type} {spec.privacy}"
        for name, spec in sorted(specs.items())
        if spec.type or spec.privacy
    )
    parts = tuple(declared)
    return content_id(content, *parts) if parts else content


def make_plan(reader: Reader, expected: Expected) -> Plan:
    """Read a file through and decide; raise Refused when it cannot follow the files before it."""
    rejected = Tally(quote=False)
    sample = Sample()
    inferred = reader.types(rejected.add, sample.add)
    if not inferred:
        raise Refused("no-rows", f"expected rows with values, received none{rejected.first()}")
    column_names(list(inferred))  # columns that only some rows have are all known only now
    _check_required(inferred, expected.specs)
    columns = (*_present(reader, inferred, sample, expected), *_absent(reader, inferred, expected))
    found = changes(expected.columns, columns) if expected.columns else ()
    check_changes(found, expected.types)
    return Plan(columns, found)


def _check_required(present: Collection[str], specs: Mapping[str, ColumnSpec]) -> None:
    if missing := [name for name, spec in specs.items() if spec.required and name not in present]:
        raise Refused(
            "columns-missing",
            f"expected the required columns {missing!r:.400} too, received {list(present)!r:.400}",
        )


def _present(
    reader: Reader, inferred: Mapping[str, ColumnType], sample: Sample, expected: Expected
) -> list[Column]:
    """The file's own columns."""
    known = {column.name: column for column in expected.columns}
    cells = {name: sample.cells(name) for name in inferred}
    detected = classify(cells)
    columns, shared = [], {}
    for name, column_type in inferred.items():
        declared = expected.specs.get(name, ColumnSpec())
        before = known.get(name)
        privacy, pii = decide(detected.get(name), declared.privacy, before)
        is_text = privacy in ("hash", "mask")
        stored: ColumnType = "string" if is_text else declared.type or column_type
        columns.append(Column(name=name, type=stored, privacy=privacy, pii=pii))
        if before and before.privacy == privacy == "keep" and declared.type is None:
            shared[name] = before.type
    types = _reconciled(reader, inferred, shared, {name for name in shared if len(cells[name])})
    return [column.model_copy(update={"type": types.get(column.name, column.type)}) for column in columns]


def _reconciled(
    reader: Reader,
    inferred: Mapping[str, ColumnType],
    known: Mapping[str, ColumnType],
    filled: Collection[str],
) -> dict[str, ColumnType]:
    """Choose the types of columns that earlier files had too; those without any cell are as they were."""
    types: dict[str, ColumnType] = {}
    doubtful: dict[str, ColumnType] = {}
    for name, before in known.items():
        goes_on = reconcile(inferred[name], before) if name in filled else before
        if goes_on is None:
            doubtful[name] = before
        types[name] = goes_on or before
    if doubtful:
        others = retyped(reader.batches(Tally(quote=False).add), doubtful)
        types |= {name: inferred[name] for name in others}
    return types


def _absent(reader: Reader, present: Collection[str], expected: Expected) -> list[Column]:
    """Columns of earlier files that go on without being in this one: dropped ones, and those of nulls."""
    by_rows = not reader.lists_columns and any(name in present for name in expected.names)
    columns = []
    for column in expected.columns:
        declared = expected.specs.get(column.name, ColumnSpec())
        privacy, pii = decide(None, declared.privacy, column)
        if column.name not in present and (by_rows or privacy == "drop"):
            columns.append(
                Column(name=column.name, type=declared.type or column.type, privacy=privacy, pii=pii)
            )
    return columns
