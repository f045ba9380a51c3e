"""The files of one drop, read as if they were one file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import infer_types
from tidemill_ingest.errors import Refused
from tidemill_ingest.formats import open_reader
from tidemill_ingest.native import as_text
from tidemill_ingest.plan import Expected
from tidemill_ingest.reader import FORMATS, Look, Reader, Reject, Seen
from tidemill_ingest.rejects import Tally
from tidemill_ingest.sources import Part

NUMBERS: set[ColumnType] = {"int", "float"}


def open_source(
    source: Path | Sequence[Part], folder: Path, expected: Expected, max_decompressed_bytes: int
) -> Reader:
    """Open a file, or the parts of several; copies that are needed go to `folder`.

    Raises:
        Refused: it is nothing that is read; of parts, the first that is not.
    """
    if isinstance(source, Path):
        return open_reader(source, folder, expected, max_decompressed_bytes)
    readers = []
    left_bytes = max_decompressed_bytes
    # Whoever writes in parallel leaves an empty file for each worker that had nothing to write.
    for part in (each for each in source if each.path.stat().st_size):
        copies = folder / f"{part.path.name}-copies"
        copies.mkdir()
        with _naming(part.name):
            readers.append((part.name, open_reader(part.path, copies, expected, left_bytes)))
        left_bytes -= sum(copy.stat().st_size for copy in copies.iterdir())
    if not readers:
        raise Refused("empty-file", f"expected {FORMATS}, received {len(source)} files of 0 bytes")
    return ChainedReader(readers)


class ChainedReader:
    """Readers one behind the other. What one refuses, it refuses by the name of the file."""

    def __init__(self, parts: Sequence[tuple[str, Reader]]) -> None:
        self._parts = parts
        self.lists_columns = any(reader.lists_columns for _, reader in parts)

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Hold the columns of the files against each other; types that differ are inferred anew."""
        found: dict[str, Mapping[str, ColumnType]] = {}
        for name, reader in self._parts:
            with _naming(name):
                if types := reader.types(_named(reject, name), _after(found.values(), look)):
                    found[name] = types
        self._check_columns(found)
        united = _united(found.values())
        disputed = [column for column, column_type in united.items() if column_type is None]
        inferred = infer_types(self._as_text(disputed)) if disputed else {}
        return {column: column_type or inferred[column] for column, column_type in united.items()}

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the rows of one file after the other."""
        for name, reader in self._parts:
            with _naming(name):
                yield from reader.batches(_named(reject, name))

    def _check_columns(self, found: Mapping[str, Mapping[str, ColumnType]]) -> None:
        """Files that list their columns list the same ones; other files have none but these."""
        listing = [name for name, reader in self._parts if reader.lists_columns and name in found]
        for name, types in found.items() if listing else ():
            expected = found[listing[0]].keys()
            missing = [column for column in expected if column not in types and name in listing]
            new = [column for column in types if column not in expected]
            if missing or new:
                raise Refused(
                    "part-columns",
                    f"{name}: expected the columns of {listing[0]}, missing "
                    f"{missing!r:.400}, new {new!r:.400}",
                )

    def _as_text(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in self.batches(Tally(quote=False).add):
            if names := [column for column in columns if column in batch.schema.names]:
                cells = [as_text(batch.column(name)) for name in names]
                yield pa.RecordBatch.from_arrays(cells, names=names)


def _united(parts: Iterable[Mapping[str, ColumnType]]) -> dict[str, ColumnType | None]:
    """Say what the columns of all parts hold; None where the parts do not agree."""
    kinds: dict[str, set[ColumnType]] = {}
    for column, column_type in chain.from_iterable(types.items() for types in parts):
        kinds.setdefault(column, set()).add(column_type)
    return {
        column: "float" if each == NUMBERS else min(each) if len(each) == 1 else None
        for column, each in kinds.items()
    }


def _after(parts: Iterable[Mapping[str, ColumnType]], look: Look) -> Look:
    """Look at a part's batches as at those of one file, which the parts before it began."""
    before = list(parts)

    def look_on(seen: Seen) -> None:
        def types() -> dict[str, ColumnType]:
            united = _united([*before, seen.types()])
            return {column: column_type or "string" for column, column_type in united.items()}

        look(replace(seen, types=types))

    return look_on


@contextmanager
def _naming(part: str) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise Refused(refused.code, f"{part}: {refused.message}", refused.changes) from refused


def _named(reject: Reject, part: str) -> Reject:
    def named(problem: str, cell: object = None) -> None:
        reject(f"{part}: {problem}", cell)

    return named
