"""Points in time, in TensorFlow: from ISO 8601 to the parts of a date and a time of day, in UTC.

A date, or a date and a time: `2013-01-01`, `2013-01-01T10:00Z`, `2013-01-01 10:00:00.5+02:00`. Without an
offset it is UTC. Any other text is a missing point in time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tidemill_contracts.profile import TimePart

_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    r"(?:\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|\d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|\d{4}-02-(?:0[1-9]|1\d|2[0-8])"
    rf"|{_LEAP_YEAR}-02-29)"
)
_HOUR_MINUTE = r"(?:[01]\d|2[0-3]):[0-5]\d"
VALID = rf"{_DATE}(?:[T ]{_HOUR_MINUTE}(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]{_HOUR_MINUTE})?)?"
# Takes a valid text apart; a sign is kept only where it is a minus.
_FIELDS = r"(\d{4})-(\d\d)-(\d\d)(?:.(\d\d):(\d\d)[:.\d]*(?:Z|\+?(-?)(\d\d):(\d\d))?)?"
_AS_CSV = r"\1,\2,\3,\4,\5,\6\7,\6\8"
_ANY_DATE = "1970-01-01"
_MINUTES_PER_DAY = 24 * 60


def read_moments(texts: Any, wanted: Sequence[TimePart]) -> tuple[Mapping[TimePart, Any], Any]:
    """Read parts of points in time.

    Args:
        texts: string, `[rows]`.
        wanted: The parts that are needed; others are not computed.

    Returns:
        int32 `[rows]` per part (weekday: 0 is Monday), and bool `[rows]`, whether there is a point in time.
    """
    valid = tf.strings.regex_full_match(texts, VALID)
    fields = tf.strings.regex_replace(
        tf.where(valid, texts, _ANY_DATE), _FIELDS, _AS_CSV, replace_global=False
    )
    year, month, day, hour, minute, ahead_hours, ahead_minutes = tf.io.decode_csv(fields, [[0]] * 7)
    minutes = (hour - ahead_hours) * 60 + (minute - ahead_minutes)
    minute_of_day = minutes % _MINUTES_PER_DAY
    days = _days(year, month, day) + minutes // _MINUTES_PER_DAY
    found: dict[TimePart, Any] = {}
    if {"hour", "minute"}.intersection(wanted):
        found |= {"hour": minute_of_day // 60, "minute": minute_of_day % 60}
    if "weekday" in wanted:
        found["weekday"] = (days + 3) % 7
    if {"year", "month", "day"}.intersection(wanted):
        found |= _date(days)
    return found, valid


def _days(year: Any, month: Any, day: Any) -> Any:
    """Count days from 1970-01-01; years begin in March, so that a leap day is the last of its year."""
    # Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    year -= tf.cast(month <= 2, tf.int32)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + day_of_year - 719_468


def _date(days: Any) -> Mapping[TimePart, Any]:
    """Invert `_days`."""
    days += 719_468
    era, day_of_era = days // 146_097, days % 146_097
    leap_days = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = (shifted_month + 2) % 12 + 1
    return {
        "year": 400 * era + year + tf.cast(month <= 2, tf.int32),
        "month": month,
        "day": day_of_year - (153 * shifted_month + 2) // 5 + 1,
    }
