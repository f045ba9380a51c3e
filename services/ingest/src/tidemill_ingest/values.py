"""Rows of Python values as columns, for formats that come row by row."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

import numpy as np
import pyarrow as pa

from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import MAX_COLUMNS, Reject, column_names

Value = bool | int | float | str | datetime | None
Row = dict[str, Value]
ROWS_PER_BATCH = 16_384
BATCH_BYTES = 16 << 20
# With fewer values of another kind than this, a column has a kind and errors; with more, it is text.
STRAY_SHARE = 0.01
NUMBERS = {int, float}


def batches_of(rows: Iterable[tuple[Row, int]], reject: Reject) -> Iterator[pa.RecordBatch]:
    """Gather rows, each with its size in bytes as read, into batches of bounded size."""
    batch: list[Row] = []
    size_bytes = 0
    for row, row_bytes in rows:
        batch.append(row)
        size_bytes += row_bytes
        if len(batch) >= ROWS_PER_BATCH or size_bytes >= BATCH_BYTES:
            yield _as_batch(batch, reject)
            batch, size_bytes = [], 0
    if batch:
        yield _as_batch(batch, reject)


def _as_batch(rows: Sequence[Row], reject: Reject) -> pa.RecordBatch:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if len(names) > MAX_COLUMNS:
        raise Refused("too-many-columns", f"expected at most {MAX_COLUMNS} columns, received {len(names)}")
    reasons: dict[int, str] = {}
    columns = [_column(name, [row.get(name) for row in rows], reasons) for name in names]
    # A struct, because it knows how many rows there are when no row has a column.
    batch = pa.RecordBatch.from_struct_array(
        pa.StructArray.from_arrays(columns, names=column_names(names))
        if columns
        else pa.array([{}] * len(rows), pa.struct([]))
    )
    for reason in reasons.values():
        reject(reason)
    if reasons:
        batch = batch.filter(pa.array(np.isin(np.arange(len(rows)), list(reasons), invert=True)))
    return batch


def _column(name: str, values: list[Value], reasons: dict[int, str]) -> pa.Array:
    """Give a column its type; stray values of another kind are noted in `reasons` by row and left out."""
    kinds = set(map(type, values)) - {type(None)}
    try:
        if len(kinds) <= 1 or kinds == NUMBERS:
            return pa.array(values)
    except (pa.ArrowInvalid, OverflowError):  # integers that no number type holds exactly
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    return _mixed(name, values, reasons)


def _mixed(name: str, values: list[Value], reasons: dict[int, str]) -> pa.Array:
    kinds = [float if type(value) is int else type(value) for value in values]
    filled = [kind for kind in kinds if kind is not type(None)]
    main = max(set(filled), key=filled.count)
    if filled.count(main) < len(filled) * (1 - STRAY_SHARE):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    kept: list[Value] = []
    for index, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        fits = kind in (main, type(None))
        kept.append(value if fits else None)
        if not fits:
            expected = "number" if main is float else main.__name__
            reasons.setdefault(index, f"column {name}: expected {expected}, received {value!r:.100}")
    return _column(name, kept, {})


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
