"""Rules of reading points in time: as Python reads ISO 8601, or not at all."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_contracts.profile import TimePart
from tidemill_trainer.preprocessing.moments import read_moments

PARTS: tuple[TimePart, ...] = ("year", "month", "day", "weekday", "hour", "minute")
# Offsets may lead out of the years that Python knows.
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.none())  # noqa: DTZ001
OFFSETS = st.one_of(st.none(), st.integers(-23 * 60 - 59, 23 * 60 + 59))


@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
def in_graph(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    found, valid = read_moments(texts, PARTS)
    return tf.stack([found[part] for part in PARTS], axis=1), valid


def read(texts: list[str | bytes]) -> list[list[int] | None]:
    values, valid = in_graph(tf.constant(texts))
    return [row if is_valid else None for row, is_valid in zip(values.numpy().tolist(), valid, strict=True)]


def in_utc(moment: datetime) -> list[int]:
    utc = moment.astimezone(UTC)
    return [utc.year, utc.month, utc.day, utc.weekday(), utc.hour, utc.minute]


@settings(max_examples=150, deadline=None)
@given(
    moment=MOMENTS,
    offset_minutes=OFFSETS,
    separator=st.sampled_from("T "),
    precision=st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
)
def test_a_point_in_time_is_read_in_utc_as_python_reads_it(
    moment: datetime, offset_minutes: int | None, separator: str, precision: str
) -> None:
    zone = UTC if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
    aware = moment.replace(tzinfo=zone)
    text = (moment if offset_minutes is None else aware).isoformat(separator, precision)

    assert read([text]) == [in_utc(aware)]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9999), st.integers(0, 13), st.integers(0, 32))
def test_a_date_is_read_if_the_calendar_has_it(year: int, month: int, day: int) -> None:
    try:
        midnight = datetime.combine(date(year, month, day), datetime.min.time(), UTC)
    except ValueError:
        midnight = None

    assert read([f"{year:04}-{month:02}-{day:02}"]) == [midnight and in_utc(midnight)]


def test_every_day_of_400_years_after_which_the_calendar_repeats_is_read() -> None:
    days = [date(1850, 1, 1) + timedelta(days) for days in range(146_097)]

    values, valid = in_graph(tf.constant([day.isoformat() for day in days]))

    assert valid.numpy().all()
    assert values.numpy()[:, :4].tolist() == [[day.year, day.month, day.day, day.weekday()] for day in days]


@pytest.mark.parametrize(
    "text",
    [
        "", "noon", "NaT", "20130101", "2013-1-1", "2013-01-01T", "2013-01-01T10", "2013-01-01T10:00:00.",
        "2013-01-01T24:00", "2013-01-01T10:60", "2013-01-01T10:00:60", "2013-01-01T10:00+0200",
        "2013-01-01T10:00+24:00", "2013-01-01Z", "2013-01-01  10:00", " 2013-01-01", "2013-01-01\n",
        "x\n2013-01-01", "2013-01-01,2", "12013-01-01", "-2013-01-01",
        "\u0662\u0660\u0661\u0663-01-01", "2013\N{EN DASH}01-01",
    ],
)  # fmt: skip
def test_any_other_text_is_no_point_in_time(text: str) -> None:
    assert read([text]) == [None]


def test_bytes_that_are_no_text_are_no_point_in_time() -> None:
    assert read([b"\xff", b"2013-01-01\xff", b"2013-01-01"]) == [None, None, [2013, 1, 1, 1, 0, 0]]


def test_only_wanted_parts_are_computed() -> None:
    found, _ = read_moments(tf.constant(["2013-01-01T10:20"]), ["hour"])

    assert set(found) == {"hour", "minute"}
    assert np.array(found["hour"]).tolist() == [10]
