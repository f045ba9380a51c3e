"""How a file will be stored, decided before any row is: columns, types, and what is kept of them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import pyarrow as pa

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.events import SchemaChange
from tidemill_contracts.manifest import Column, content_id
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.evolution import changes, check_changes, reconcile, retyped
from tidemill_ingest.personal import classify
from tidemill_ingest.privacy import decide
from tidemill_ingest.reader import Reader, Seen, column_names
from tidemill_ingest.rejects import Tally
from tidemill_ingest.sampling import Sample


@dataclass(frozen=True)
class Expected:
    """What is known of a pipeline's files: the newest accepted span's columns, and what the spec declares."""

    columns: tuple[Column, ...] = ()
    specs: Mapping[str, ColumnSpec] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Columns that earlier files had, of which none was or is to be dropped."""
        dropped = {name for name, spec in self.specs.items() if spec.privacy == "drop"}
        return [each.name for each in self.columns if each.privacy != "drop" and each.name not in dropped]

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


class Watcher(Protocol):
    """Is shown what comes of a file while it is read through."""

    def reject(self, problem: str, cell: object = None) -> None:
        """Note a row that the reader has set aside."""

    def look(self, seen: Seen, presumed: Callable[[], Plan]) -> None:
        """Take a batch of rows; `presumed` decides as if the file ended here, and may raise Refused."""


def make_plan(reader: Reader, expected: Expected, watcher: Watcher) -> Plan:
    """Read a file through and decide; raise Refused when it cannot follow the files before it."""
    rejected = Tally(quote=False)
    sample = Sample()

    def reject(problem: str, cell: object = None) -> None:
        rejected.add(problem, cell)
        watcher.reject(problem, cell)

    def look(seen: Seen) -> None:
        sample.add(seen.rows)
        watcher.look(seen, lambda: _decide(Surveyed(reader.lists_columns, seen.types(), sample), expected))

    inferred = reader.types(reject, look)
    if not inferred:
        raise Refused("no-rows", f"expected rows with values, received none{rejected.first()}")
    again = partial(reader.batches, Tally(quote=False).add)
    return _decide(Surveyed(reader.lists_columns, inferred, sample, again), expected)


@dataclass(frozen=True)
class Surveyed:
    """What was read of a file: its columns' types, and some cells. `again` gives its rows once more."""

    lists_columns: bool
    types: Mapping[str, ColumnType]
    sample: Sample
    again: Callable[[], Iterator[pa.RecordBatch]] = lambda: iter(())


def _decide(file: Surveyed, expected: Expected) -> Plan:
    column_names(list(file.types))  # columns that only some rows have are all known only now
    _check_required(file.types, expected.specs)
    columns = (*_present(file, expected), *_absent(file, expected))
    found = changes(expected.columns, columns) if expected.columns else ()
    check_changes(found, expected.types)
    return Plan(columns, found)


def _check_required(present: Collection[str], specs: Mapping[str, ColumnSpec]) -> None:
    if missing := [name for name, spec in specs.items() if spec.required and name not in present]:
        raise Refused(
            "columns-missing",
            f"expected the required columns {missing!r:.400} too, received {list(present)!r:.400}",
        )


def _present(file: Surveyed, expected: Expected) -> list[Column]:
    """The file's own columns."""
    known = {column.name: column for column in expected.columns}
    cells = {name: file.sample.cells(name) for name in file.types}
    detected = classify(cells)
    columns, shared = [], {}
    for name, column_type in file.types.items():
        declared = expected.specs.get(name, ColumnSpec())
        before = known.get(name)
        privacy, pii = decide(detected.get(name), declared.privacy, before)
        is_text = privacy in ("hash", "mask")
        stored: ColumnType = "string" if is_text else declared.type or column_type
        columns.append(Column(name=name, type=stored, privacy=privacy, pii=pii))
        if before and before.privacy == privacy == "keep" and declared.type is None:
            shared[name] = before.type
    types = _reconciled(file, shared, {name for name in shared if len(cells[name])})
    return [column.model_copy(update={"type": types.get(column.name, column.type)}) for column in columns]


def _reconciled(
    file: Surveyed, known: Mapping[str, ColumnType], filled: Collection[str]
) -> dict[str, ColumnType]:
    """Choose the types of columns that earlier files had too; those without any cell are as they were."""
    types: dict[str, ColumnType] = {}
    doubtful: dict[str, ColumnType] = {}
    for name, before in known.items():
        goes_on = reconcile(file.types[name], before) if name in filled else before
        if goes_on is None:
            doubtful[name] = before
        types[name] = goes_on or before
    if doubtful:
        types |= {name: file.types[name] for name in retyped(file.again(), doubtful)}
    return types


def _absent(file: Surveyed, expected: Expected) -> list[Column]:
    """Columns of earlier files that go on without being in this one: dropped ones, and those of nulls."""
    by_rows = not file.lists_columns and any(name in file.types for name in expected.names)
    columns = []
    for column in expected.columns:
        declared = expected.specs.get(column.name, ColumnSpec())
        privacy, pii = decide(None, declared.privacy, column)
        if column.name not in file.types and (by_rows or privacy == "drop"):
            columns.append(
                Column(name=column.name, type=declared.type or column.type, privacy=privacy, pii=pii)
            )
    return columns
