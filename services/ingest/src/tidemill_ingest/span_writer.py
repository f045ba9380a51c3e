"""A span's two files: rows as a plan wants them, and of the others the reasons."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tidemill_ingest.columns import NONE_CONVERTED, convert
from tidemill_ingest.data_file import DataFile
from tidemill_ingest.native import ARROW_TYPES
from tidemill_ingest.plan import Plan
from tidemill_ingest.privacy import protected
from tidemill_ingest.rejects import RejectsFile

DATA_FILE = "data.parquet"
REJECTS_FILE = "rejects.parquet"


@dataclass(frozen=True)
class SpanWriter:
    """Writes rows as a plan says."""

    plan: Plan
    privacy_key: bytes | None
    data: DataFile
    rejects: RejectsFile

    def add(self, rows: pa.RecordBatch, converted: Mapping[str, pa.Array | None] = NONE_CONVERTED) -> None:
        """Write the rows that fit, and of the others the reason.

        Args:
            converted: Columns of the rows that all fit some type, in that type.
        """
        fitting = convert(rows, self.plan.types, converted)
        for problem, cell in fitting.misfits:
            self.rejects.add(problem, cell)
        self.data.add(protected(fitting.rows, self.plan.columns, self.privacy_key))


@contextmanager
def writing(folder: Path, plan: Plan, privacy_key: bytes | None) -> Iterator[SpanWriter]:
    """Open the files of a span in `folder`; leaving completes them."""
    schema = pa.schema([(name, ARROW_TYPES[column_type]) for name, column_type in plan.types.items()])
    with (
        RejectsFile(folder / REJECTS_FILE, quote=not plan.is_restricted) as rejects,
        DataFile(folder / DATA_FILE, schema) as data,
    ):
        yield SpanWriter(plan, privacy_key, data, rejects)
