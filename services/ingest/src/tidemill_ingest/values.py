"""Rows of Python values as columns, for formats that come row by row."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

import numpy as np
import pyarrow as pa

from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import MAX_COLUMNS, Reject, column_names

Value = bool | int | float | str | datetime | None
Row = dict[str, Value]
# By row: what was expected of a column, and the value that came.
Strays = dict[int, tuple[str, Value]]
ROWS_PER_BATCH = 16_384
BATCH_BYTES = 16 << 20
# With fewer values of another kind than this, a column has a kind and errors; with more, it is text.
STRAY_SHARE = 0.01
NUMBERS = {int, float}


def batches_of(
    rows: Iterable[tuple[Row, int]], reject: Reject, declared: Collection[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Gather rows, each with its size in bytes as read, into batches of bounded size.

    Args:
        declared: Columns whose type does not depend on their values; those of several kinds come as text.
    """
    batch: list[Row] = []
    size_bytes = 0
    for row, row_bytes in rows:
        batch.append(row)
        size_bytes += row_bytes
        if len(batch) >= ROWS_PER_BATCH or size_bytes >= BATCH_BYTES:
            yield _as_batch(batch, reject, declared)
            batch, size_bytes = [], 0
    if batch:
        yield _as_batch(batch, reject, declared)


def _as_batch(rows: Sequence[Row], reject: Reject, declared: Collection[str]) -> pa.RecordBatch:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if len(names) > MAX_COLUMNS:
        raise Refused("too-many-columns", f"expected at most {MAX_COLUMNS} columns, received {len(names)}")
    strays: Strays = {}
    columns = [
        _column(name, [row.get(name) for row in rows], None if name in declared else strays) for name in names
    ]
    # A struct, because it knows how many rows there are when no row has a column.
    batch = pa.RecordBatch.from_struct_array(
        pa.StructArray.from_arrays(columns, names=column_names(names))
        if columns
        else pa.array([{}] * len(rows), pa.struct([]))
    )
    for problem, cell in strays.values():
        reject(problem, cell)
    if strays:
        batch = batch.filter(pa.array(np.isin(np.arange(len(rows)), list(strays), invert=True)))
    return batch


def _column(name: str, values: list[Value], strays: Strays | None) -> pa.Array:
    """Give a column its type; stray values of another kind are noted in `strays` by row and left out.

    Without `strays` there are none: values of several kinds are all text.
    """
    kinds = set(map(type, values)) - {type(None)}
    try:
        if len(kinds) <= 1 or kinds == NUMBERS:
            return pa.array(values)
    except (pa.ArrowInvalid, OverflowError):  # integers that no number type holds exactly
        return _texts(values)
    return _texts(values) if strays is None else _mixed(name, values, strays)


def _mixed(name: str, values: list[Value], strays: Strays) -> pa.Array:
    kinds = [float if type(value) is int else type(value) for value in values]
    filled = [kind for kind in kinds if kind is not type(None)]
    main = max(set(filled), key=filled.count)
    if filled.count(main) < len(filled) * (1 - STRAY_SHARE):
        return _texts(values)
    kept: list[Value] = []
    for index, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        fits = kind in (main, type(None))
        kept.append(value if fits else None)
        if not fits:
            expected = "number" if main is float else main.__name__
            strays.setdefault(index, (f"column {name}: expected {expected}", value))
    return _column(name, kept, {})


def _texts(values: list[Value]) -> pa.Array:
    texts = [str(value).lower() if isinstance(value, bool) else value for value in values]
    return pa.array([None if text is None else str(text) for text in texts], pa.string())
