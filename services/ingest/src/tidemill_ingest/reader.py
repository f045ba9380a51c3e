"""The one port of reading: whatever a file's format, it becomes columns of cells, batch by batch."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from unicodedata import normalize

import pyarrow as pa

from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused

# Called with the reason for every row that is set aside.
Reject = Callable[[str], None]
# What BigQuery accepts: more columns, or longer names, could not be stored.
MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 300
FORMATS = "CSV, JSON Lines, Parquet, Avro or TFRecord"


class Reader(Protocol):
    """One file on disk. Both methods read it from its start and raise Refused where it breaks off."""

    def types(self, reject: Reject) -> Mapping[str, ColumnType]:
        """Say which columns there are, in order, and what they hold; empty when there is no row to tell."""

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the rows. String columns may hold cells of another type; absent columns mean nulls."""


def column_names(raw: Sequence[str]) -> list[str]:
    """Write column names in one way: NFC, single spaces; raise Refused when they cannot name columns."""
    names = [normalize("NFC", " ".join(name.split())) for name in raw]
    if len(names) > MAX_COLUMNS:
        raise Refused("too-many-columns", f"expected at most {MAX_COLUMNS} columns, received {len(names)}")
    if blank := [index + 1 for index, name in enumerate(names) if not name]:
        raise Refused("blank-column-name", f"expected a name for every column, columns {blank} have none")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise Refused("duplicate-columns", f"expected every column once, received {twice} more than once")
    if alike := [name for name, times in Counter(map(str.casefold, names)).items() if times > 1]:
        raise Refused("duplicate-columns", f"expected names that differ by more than case, received {alike}")
    if long := [name for name in names if len(name) > MAX_NAME_CHARACTERS]:
        raise Refused(
            "long-column-name",
            f"expected names of at most {MAX_NAME_CHARACTERS} characters, received {len(long[0])}: "
            f"{long[0][:60]!r}...",
        )
    return names
