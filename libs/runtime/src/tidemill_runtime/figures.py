"""Numbers as a person reads them."""

import math
from datetime import UTC, datetime, timedelta

from tidemill_contracts.profile import ColumnType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN = (1e-3, 1e7)
NONE = "\N{EN DASH}"


def count(number: float) -> str:
    """Write a whole number in groups of three digits."""
    return f"{number:,.0f}"


def share(part: float, whole: float = 1) -> str:
    """Write a part in per cent; a little is not nothing, and nearly all is not all."""
    if whole == 0:
        return NONE
    ratio = part / whole
    if 0 < ratio < 0.001:
        return "<0.1%"
    if 0.999 < ratio < 1:
        return ">99.9%"
    return f"{ratio:.1%}"


def figure(number: float, kind: ColumnType = "float") -> str:
    """Write a value of a column in four digits, a whole number in all of them, a point in time as such."""
    if kind == "timestamp":
        return _moment(number)
    size = abs(number)
    if size and not PLAIN[0] <= size < PLAIN[1]:
        return f"{number:.3g}"
    decimals = 0 if number == round(number) else max(0, 3 - math.floor(math.log10(size)))
    return f"{number:,.{decimals}f}"


def _moment(seconds: float) -> str:
    try:
        moment = EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:.3g} s"
    return f"{moment:%Y-%m-%d}"
