"""Points in time as features: their parts, which come back, unlike the points themselves."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tidemill_contracts.profile import NumericProfile, TimePart

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def varying_parts(numeric: NumericProfile, parts: Iterable[TimePart]) -> tuple[TimePart, ...]:
    """Return those parts that are not the same in all rows; all of them when none is.

    The extremes and quantiles stand for the rows: what is the same in a hundred of them is in all.
    """
    moments = [moment for moment in map(_moment, numeric.quantiles) if moment is not None]
    parts = tuple(parts)
    return tuple(part for part in parts if len({_part(moment, part) for moment in moments}) > 1) or parts


def _moment(seconds: float) -> datetime | None:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _part(moment: datetime, part: TimePart) -> int:
    if part == "weekday":
        return moment.weekday()
    value: int = getattr(moment, part)
    return value
