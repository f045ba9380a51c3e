"""A window's rows on their way through the pass: part by part, each a row group of a span."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_transform.columns import conform
from tidemill_transform.files import open_file, replacing
from tidemill_transform.plan import PartReport, SpanRows
from tidemill_transform.split import Hashes

# A dictionary of values that hardly repeat costs more than it saves; so many cells tell.
SAMPLED_CELLS = 1 << 12
REPEATED_TIMES = 2

Fate = Literal["train", "eval", "rejects"]


@dataclass(frozen=True)
class Part:
    """One row group of one span."""

    span: int
    row_group: int
    source: SpanRows


@dataclass(frozen=True)
class PartRows:
    """The rows of a part, and what is known of it so far.

    `native` has them as their span does, `rows` with the columns of the window; `keys` hash their places.
    """

    part: Part
    report: PartReport
    keys: Hashes
    native: pa.RecordBatch
    rows: pa.RecordBatch

    @property
    def nbytes(self) -> int:
        return int(self.rows.nbytes)


@dataclass(frozen=True)
class SideRows:
    """The labelled rows of a part on one side of the split, and hashes of where each stands."""

    keys: Hashes
    rows: pa.RecordBatch


@dataclass(frozen=True)
class SplitRows:
    """The labelled rows of a part on their two sides, and what is known of it so far."""

    part: Part
    report: PartReport
    train: SideRows
    eval: SideRows

    @property
    def sides(self) -> tuple[tuple[Literal["train"], SideRows], tuple[Literal["eval"], SideRows]]:
        return ("train", self.train), ("eval", self.eval)

    @property
    def nbytes(self) -> int:
        return int(self.train.rows.nbytes + self.eval.rows.nbytes)


def parts_of(numbered: tuple[int, SpanRows]) -> Iterator[Part]:
    """Yield every part of a span."""
    span, source = numbered
    with open_file(source.uri) as file:
        row_groups = pq.ParquetFile(file).num_row_groups
    yield from (Part(span, row_group, source) for row_group in range(row_groups))


def read_part(part: Part, schema: pa.Schema) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yield the rows of a part as its span has them, and as `schema` does: one batch, or none."""
    wanted = set(schema.names)
    columns = [name for name in part.source.columns if name in wanted]
    with open_file(part.source.uri) as file:
        table = pq.ParquetFile(file).read_row_group(part.row_group, columns=columns).select(columns)
    for native in table.combine_chunks().to_batches():
        yield native, conform(native, schema)


def repetitive(rows: pa.RecordBatch) -> list[str]:
    """Name the columns for which a dictionary pays, going by the first cells."""
    return [
        name
        for name, cells in zip(rows.schema.names, rows.columns, strict=True)
        if pc.count_distinct(cells[:SAMPLED_CELLS]).as_py() * REPEATED_TIMES <= len(cells[:SAMPLED_CELLS])
    ]


def write_shard(
    folder: str, fate: Fate, part: Part, rows: pa.RecordBatch, with_dictionary: Sequence[str]
) -> str | None:
    """Write the rows of a part that share a fate, and return the file's name below `folder`; None when none.

    A part that is tried again overwrites its own files.
    """
    if rows.num_rows == 0:
        return None
    name = layout.dataset_part(fate, part.span, part.row_group)
    # Arrow would wait for Python with every page that it hands to the file.
    content = pa.BufferOutputStream()
    table = pa.Table.from_batches([rows])
    pq.write_table(table, content, compression="zstd", use_dictionary=list(with_dictionary))
    with replacing(f"{folder}/{name}") as file:
        file.write(content.getvalue().to_pybytes())
    return name
