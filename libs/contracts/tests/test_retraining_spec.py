"""Rules of the schedule of a pipeline."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline
from tidemill_contracts.retraining_spec import Retraining

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def _next(retraining: str) -> datetime | None:
    text = f"metadata: {{name: flights}}\nspec: {{label: late, retraining: {retraining}}}"
    return parse_pipeline(text).spec.retraining.next_after(NOON)


def test_without_a_schedule_there_is_no_next_time() -> None:
    assert _next("{}") is None


def test_the_next_time_is_after_the_moment_never_at_it() -> None:
    assert _next('{schedule: "0 12 * * *"}') == datetime(2026, 3, 29, 12, tzinfo=UTC)


def test_a_schedule_is_of_its_time_zone_and_follows_summer_time() -> None:
    berlin = _next('{schedule: "30 3 * * *", timeZone: Europe/Berlin}')
    assert berlin == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("schedule", ["30 2 * * *", "30 1-3 * * *", "*/15 * * * *", "0 */2 * * *"])
@pytest.mark.parametrize(
    ("zone", "fold"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2026, 2, 15, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 30, tzinfo=UTC)),
    ],
)
def test_in_an_hour_that_comes_twice_the_next_time_is_the_same_from_every_minute(
    schedule: str, zone: str, fold: datetime
) -> None:
    retraining = Retraining(schedule=schedule, time_zone=zone)
    moments = [fold + timedelta(minutes=minutes) for minutes in range(180)]
    for moment, later in pairwise(moments):
        found = retraining.next_after(moment)
        assert found is not None
        assert found > moment
        assert found in (later, retraining.next_after(later))


@pytest.mark.parametrize(
    ("retraining", "says"),
    [
        ('{schedule: "61 * * * *"}', "expected minute, hour, day of month"),
        ('{schedule: "every day at noon"}', "expected minute, hour, day of month"),
        ('{schedule: "0 0 30 2 *"}', "expected"),
        ('{schedule: "0 3 * * *", timeZone: Mars/Phobos}', "expected the name of a time zone"),
        ('{schedule: "0 3 * * *", timeZone: ../../etc/passwd}', "expected the name of a time zone"),
    ],
)
def test_what_is_no_schedule_is_refused(retraining: str, says: str) -> None:
    with pytest.raises(InvalidSpec, match=says):
        _next(retraining)
