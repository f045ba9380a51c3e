"""From which time on rows are held out: the exact quantile of a column over a window, in bounded memory.

Values are turned into unsigned integers of the same order, of which each reading of the column settles
sixteen bits more: it is read four times, and only one batch and one count per 16-bit number are ever held.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill_transform.columns import schema_of
from tidemill_transform.label import Labeller
from tidemill_transform.parts import parts_of, read_part
from tidemill_transform.plan import Plan

SIGN = np.uint64(1 << 63)
DIGIT_BITS = 16
SHIFTS = (48, 32, 16, 0)

Ordinals = npt.NDArray[np.uint64]


def with_cutoff(plan: Plan) -> Plan:
    """Settle from which time on labelled rows are held out, where a plan splits by time."""
    if plan.split.time is None:
        return plan
    held_out_from = find_cutoff(partial(_labelled_times, plan, plan.split.time), plan.split.eval_share)
    return replace(plan, split=replace(plan.split, held_out_from=held_out_from))


def find_cutoff(columns: Callable[[], Iterable[pa.Array]], eval_share: float) -> pa.Scalar | None:
    """Return the value that starts the newest `eval_share` of all values; None when there are none.

    Args:
        columns: Starts to read the column anew, batch by batch, always in one type.
    """
    found, rank, kind = 0, 0, None
    for shift in SHIFTS:
        counts = np.zeros(1 << DIGIT_BITS, np.int64)
        for values in columns():
            kind = values.type
            digits = _digits(_ordinals(values.drop_null()), shift, found)
            counts += np.bincount(digits, minlength=len(counts))
        if shift == SHIFTS[0]:
            rank = int(counts.sum() * (1 - eval_share))
        if not counts.any():
            return None
        ends = np.cumsum(counts)
        digit = int(np.searchsorted(ends, rank, side="right"))
        rank -= int(ends[digit] - counts[digit])
        found = found << DIGIT_BITS | digit
    return _value(found, kind)


def _labelled_times(plan: Plan, time: str) -> Iterator[pa.Array]:
    schema = schema_of(column for column in plan.columns if column.name in {*plan.label.named_columns, time})
    labeller = Labeller(plan.label)
    try:
        for part in chain.from_iterable(map(parts_of, plan.spans.items())):
            for _, rows in read_part(part, schema):
                yield rows[time].filter(labeller.labels(rows).labels.is_valid())
    finally:
        labeller.close()


def _digits(ordinals: Ordinals, shift: int, found: int) -> npt.NDArray[np.int64]:
    """Return the next digit of those numbers whose first digits are `found`."""
    if shift != SHIFTS[0]:
        ordinals = ordinals[ordinals >> np.uint64(shift + DIGIT_BITS) == np.uint64(found)]
    return (ordinals >> np.uint64(shift) & np.uint64((1 << DIGIT_BITS) - 1)).astype(np.int64)


def _ordinals(values: pa.Array) -> Ordinals:
    if pa.types.is_floating(values.type):
        bits = (pc.cast(values, pa.float64()).to_numpy() + 0.0).view(np.uint64)
        return np.asarray(np.where(bits & SIGN, ~bits, bits | SIGN), np.uint64)
    return np.asarray(values.cast(pa.int64()).to_numpy().view(np.uint64) ^ SIGN, np.uint64)


def _value(ordinal: int, kind: pa.DataType) -> pa.Scalar:
    one = np.array([ordinal], np.uint64)
    if pa.types.is_floating(kind):
        return pa.array(np.where(one & SIGN, one ^ SIGN, ~one).view(np.float64))[0].cast(kind)
    return pa.array((one ^ SIGN).view(np.int64))[0].cast(kind)
