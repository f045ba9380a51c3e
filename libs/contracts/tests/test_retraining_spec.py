"""Rules of the schedule of a pipeline."""

from datetime import UTC, datetime

import pytest

from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline

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
