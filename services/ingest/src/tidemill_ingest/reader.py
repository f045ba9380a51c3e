"""The one port of reading: whatever a file's format, it becomes columns of cells, batch by batch."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from unicodedata import normalize

import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.personal import told_by

# What BigQuery accepts: more columns, or longer names, could not be stored.
MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 300
FORMATS = "CSV, JSON Lines, Parquet, Avro or TFRecord"


class Reject(Protocol):
    """Called for every row that is set aside."""

    def __call__(self, problem: str, cell: object = None) -> None:
        """Note a row. `problem` quotes names alone; `cell` is what does not fit, None for whole rows."""


@dataclass(frozen=True)
class Seen:
    """A batch of rows on its way through a reader.

    `converted` has the columns of text that all fit some type, in that type; `types` says what columns hold
    as far as they were read, this batch included.
    """

    rows: pa.RecordBatch
    converted: Mapping[str, pa.Array | None]
    types: Callable[[], Mapping[str, ColumnType]]


Look = Callable[[Seen], None]


class Reader(Protocol):
    """One file on disk. Both methods read it from its start and raise Refused where it breaks off.

    `lists_columns` says that the file names its columns apart from its rows: one that it does not name is
    missing. Elsewhere a column that no row has is one of nulls.
    """

    lists_columns: bool

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Say which columns there are, in order, and what they hold; empty when there is no row to tell.

        Args:
            look: Shown every batch of rows.
        """

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the rows. String columns may hold cells of another type; absent columns mean nulls."""


def column_names(raw: Sequence[str]) -> list[str]:
    """Write column names in one way; raise Refused when they cannot name columns."""
    names = [as_written(name) for name in raw]
    if len(names) > MAX_COLUMNS:
        raise Refused("too-many-columns", f"expected at most {MAX_COLUMNS} columns, received {len(names)}")
    _check_not_personal(names)
    if blank := [index + 1 for index, name in enumerate(names) if not name]:
        raise Refused("blank-column-name", f"expected a name for every column, columns {blank} have none")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise Refused("duplicate-columns", f"expected every column once, received {twice} more than once")
    if alike := [name for name, times in Counter(map(str.casefold, names)).items() if times > 1]:
        raise Refused("duplicate-columns", f"expected names that differ by more than case, received {alike}")
    if long := [len(name) for name in names if len(name) > MAX_NAME_CHARACTERS]:
        raise Refused(
            "long-column-name",
            f"expected names of at most {MAX_NAME_CHARACTERS} characters, received one of {long[0]}",
        )
    return names


def as_written(name: str) -> str:
    """Write a name in one way: composed characters, single spaces."""
    return normalize("NFC", " ".join(name.split()))


def _check_not_personal(names: list[str]) -> None:
    """A file without its header names columns after the cells of a row, and names are stored in clear."""
    if told := told_by(pa.array(names, pa.string())):
        kinds = ", ".join(f"{kind} in place {index + 1}" for kind, index in told)
        raise Refused("personal-column-name", f"expected names of columns, received what looks like {kinds}")
