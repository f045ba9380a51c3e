"""What a dataset version tells of held-out rows beside its features: groups, slices, and whence they come."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill_contracts import layout
from tidemill_contracts.manifest import DatasetManifest, SpanManifest
from tidemill_contracts.pipeline import PipelineSpec, Split
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.belonging import belonging_of
from tidemill_trainer.evaluation.scored import Columns, Indices


@dataclass(frozen=True)
class Aside:
    """Columns of held-out rows that need not be features, `[rows]` each.

    `is_newest` says which rows are of the newest span; `units` are the groups that the split never divides,
    None when it divides any. `absent` are declared columns that cannot be shown, and why. Of
    `restricted` ones nothing may be shown.
    """

    columns: Columns
    is_newest: NDArray[np.bool_]
    units: Indices | None
    absent: dict[str, str]
    restricted: frozenset[str] = frozenset()

    def take(self, rows: Indices) -> "Aside":
        """Return the rows at the indices."""
        return Aside(
            {name: values[rows] for name, values in self.columns.items()},
            self.is_newest[rows],
            None if self.units is None else self.units[rows],
            self.absent,
            self.restricted,
        )


def read_aside(store: ObjectStore, manifest: DatasetManifest, spec: PipelineSpec) -> Aside:
    """Read the columns that a spec declares slices, groups and the split by, from all held-out rows.

    The values of restricted columns are not returned.
    """
    tables = {file: _read(store, manifest, file, spec) for file in manifest.eval_files}
    table = pa.concat_tables(tables.values(), promote_options="permissive")
    restricted = restricted_columns(store, manifest)
    declared = declared_columns(spec)
    absent = {
        name: "it is restricted" if name in restricted else "the data has no such column"
        for name in declared
        if name in restricted or name not in table.column_names
    }
    spans = [layout.span_of_dataset_part(file) for file in tables]
    sizes = [len(part) for part in tables.values()]
    return Aside(
        columns={name: _readable(table[name]) for name in declared if name not in absent},
        is_newest=np.repeat([span in (None, max(manifest.spans)) for span in spans], sizes),
        units=_units(table, spec.split),
        absent=absent,
        restricted=restricted,
    )


def declared_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """Name every column by which a model is looked at in parts."""
    groups = spec.blessing.fairness.groups if spec.blessing.fairness else ()
    return tuple(dict.fromkeys([*(name for names in spec.slices for name in names), *groups]))


def restricted_columns(store: ObjectStore, manifest: DatasetManifest) -> frozenset[str]:
    """Name the columns of which no value may be shown: those that any span has not stored in clear.

    Raises ObjectNotFound when a span of restricted data does not tell any more.
    """
    if manifest.data_classification is None:
        return frozenset()
    names = (layout.span(manifest.pipeline, span_id, "manifest.json") for span_id in manifest.span_ids)
    spans = (SpanManifest.model_validate_json(store.read(name)) for name in names)
    return frozenset(column.name for span in spans for column in span.columns if column.privacy != "keep")


def _units(table: pa.Table, split: Split) -> Indices | None:
    known = [name for name in split.group_by if name in table.column_names]
    return belonging_of([table.select(known)], split).groups if known else None


def _read(store: ObjectStore, manifest: DatasetManifest, file: str, spec: PipelineSpec) -> pa.Table:
    content = store.read(layout.dataset(manifest.pipeline, manifest.dataset_id, file))
    parquet = pq.ParquetFile(pa.BufferReader(content))
    wanted = {*declared_columns(spec), *spec.split.group_by}
    table = parquet.read(columns=[name for name in parquet.schema_arrow.names if name in wanted])
    # A table without columns has no rows of its own.
    return table.append_column("", pa.nulls(parquet.metadata.num_rows))


def _readable(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers with NaN for missing, or texts with "" for missing."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy()
        return np.where(np.isfinite(numbers), numbers, np.nan)
    texts: NDArray[Any] = column.cast(pa.string()).fill_null("").to_numpy().astype(object)
    return texts
