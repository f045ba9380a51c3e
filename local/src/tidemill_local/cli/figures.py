"""How amounts, shares and times are written for people."""

from collections.abc import Iterable
from datetime import UTC, datetime

AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def age(time: datetime) -> str:
    """Write how long ago something was, in the largest unit that fits: `3 h ago`."""
    seconds = max((datetime.now(UTC) - time).total_seconds(), 1)
    size, unit = next((size, unit) for size, unit in AGES if seconds >= size)
    return f"{int(seconds // size)} {unit} ago"


def share(part: float, whole: float) -> str:
    """Write a share as a percentage; nothing at all is empty, hardly anything is not zero."""
    if not part or not whole:
        return ""
    percent = 100 * part / whole
    return "<0.1%" if percent < 0.1 else f"{percent:.1f}%" if percent < 10 else f"{percent:.0f}%"


def number(value: float) -> str:
    """Write a number in about four digits."""
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-4:
        return f"{value:.3e}"
    if size >= 10_000:
        return f"{value:,.0f}"
    return str(int(value)) if value.is_integer() else f"{value:.4g}"


def span_ranges(spans: Iterable[int]) -> str:
    """Write numbers as ranges: `1-3, 5`."""
    ranges: list[list[int]] = []
    for span in sorted(spans):
        if ranges and span == ranges[-1][-1] + 1:
            ranges[-1][1:] = [span]
        else:
            ranges.append([span])
    return ", ".join("-".join(map(str, each)) for each in ranges)
