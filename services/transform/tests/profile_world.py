"""Profiles, made by hand or by the real sketch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import (
    CategoricalProfile,
    ColumnProfile,
    ColumnType,
    LabelProfile,
    NumericProfile,
    Profile,
    Task,
)
from tidemill_transform.columns import ARROW_TYPES
from tidemill_transform.plan import PartReport, Report
from tidemill_transform.profiling import TableSketch
from tidemill_transform.split import row_keys
from tidemill_transform.task import LABEL_TYPES

FLIGHTS = Path(__file__).parents[3] / "examples/flights"
TYPE_NAMES: Mapping[pa.DataType, ColumnType] = {kind: name for name, kind in ARROW_TYPES.items()}


def a_label(rows: int) -> LabelProfile:
    """Half of the rows are true."""
    return LabelProfile(task="binary", classes=(("false", rows - rows // 2), ("true", rows // 2)))


def a_profile(*columns: ColumnProfile, rows: int = 1000, label: LabelProfile | None = None) -> Profile:
    return Profile(rows=rows, label=label or a_label(rows), columns=columns)


def texts(
    times: Mapping[str, int],
    *,
    name: str = "x",
    nulls: int = 0,
    distinct: float | None = None,
    words: float = 1,
) -> ColumnProfile:
    """A column of texts that occur so many times."""
    return ColumnProfile(
        name=name,
        type="string",
        rows=sum(times.values()) + nulls,
        nulls=nulls,
        distinct_estimate=len(times) if distinct is None else distinct,
        categorical=CategoricalProfile(vocabulary=tuple(times.items()), max_length_bytes=9, mean_words=words)
        if times
        else None,
    )


def numbers(
    values: Iterable[float],
    *,
    name: str = "x",
    kind: ColumnType = "float",
    nulls: int = 0,
    infinities: int = 0,
    rows: int = 1000,
    distinct: float = 50,
) -> ColumnProfile:
    """A column whose numbers are spread as these are."""
    ordered = np.sort(np.array(list(values), float))
    inner = np.quantile(ordered, np.linspace(0, 1, 101)[1:-1], method="inverted_cdf") if len(ordered) else []
    return ColumnProfile(
        name=name,
        type=kind,
        rows=rows,
        nulls=nulls,
        distinct_estimate=distinct,
        numeric=NumericProfile(
            minimum=ordered[0],
            maximum=ordered[-1],
            mean=float(ordered.mean()),
            stddev=float(ordered.std()),
            quantiles=(ordered[0], *inner, ordered[-1]),
            infinities=infinities,
        )
        if len(ordered)
        else None,
    )


def profile_of(
    values: Mapping[str, Any], *, label: Any = None, slices: Any = (), task: Task = "binary"
) -> Profile:
    """Profile columns as a pass would; labels are true and false by turns unless they are given."""
    table = pa.table({name: pa.array(column) for name, column in values.items()})
    columns = [Column(name=field.name, type=TYPE_NAMES[field.type]) for field in table.schema]
    labels = pa.array(np.arange(len(table)) % 2 == 0 if label is None else label, LABEL_TYPES[task])
    sketch = TableSketch(columns, task, slices)
    for batch in table.append_column(LABEL_COLUMN, labels).to_batches():
        sketch.update(row_keys(1, 0, batch.num_rows), batch)
    return sketch.profile()


def flights(month: int) -> Profile:
    """The flights of one month that have a label."""
    table = pyarrow.csv.read_csv(FLIGHTS / f"flights-2013-{month:02d}.csv")
    table = table.filter(table["arr_delay"].is_valid()).combine_chunks()
    label = pc.greater_equal(table["arr_delay"], 15).combine_chunks()
    by_name = {name: _stored(table[name].combine_chunks()) for name in table.column_names}
    return profile_of(by_name, label=label, slices=(("carrier",), ("origin", "month")))


def _stored(column: pa.Array) -> pa.Array:
    return column.cast(ARROW_TYPES["timestamp"]) if pa.types.is_timestamp(column.type) else column


def a_report(
    train: Profile, held_out: Profile | None = None, newest: Profile | None = None, **counts: Any
) -> Report:
    """What a pass reports of these sides; by default a fifth of the rows is held out."""
    held_out = held_out or train.model_copy(update={"rows": train.rows // 4})
    rows = train.rows + held_out.rows
    facts = {"rows_train": train.rows, "rows_eval": held_out.rows, "rows_read": rows, **counts}
    part = PartReport.model_validate({"span": 1, "row_group": 0, **facts})
    return Report(train=train, eval=held_out, newest=newest or train, parts=(part,))
