"""Rules of schedules: every time is asked for once, restarts and absences included."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from controller_world import NOON, Broker

from tidemill_contracts.retraining_spec import Retraining
from tidemill_controller.schedules import Schedules, newest_due
from tidemill_controller.standings import Standings
from tidemill_runtime.folder import FolderStore

DAILY = Retraining(schedule="0 3 * * *")


class Clockwork:
    """Schedules that are looked at at chosen times, each time by a new process."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.broker = Broker()
        Standings(self.store).know("m")

    def look(self, now: datetime, retraining: Retraining = DAILY) -> datetime | None:
        return Schedules(Standings(self.store), self.broker.tell, lambda: now).keep("m", retraining)


@pytest.fixture
def clockwork(tmp_path: Path) -> Clockwork:
    clockwork = Clockwork(tmp_path)
    clockwork.look(NOON)
    return clockwork


def test_a_time_is_asked_for_once_when_it_has_come(clockwork: Clockwork) -> None:
    for minutes in (-1, 0, 0, 1, 600):
        clockwork.look(datetime(2026, 1, 2, 3, tzinfo=UTC) + timedelta(minutes=minutes))

    assert clockwork.broker.requests == ["schedule-2026-01-02T03:00:00Z"]


def test_nothing_is_asked_for_of_before_the_schedule_was_written(tmp_path: Path) -> None:
    clockwork = Clockwork(tmp_path)

    assert clockwork.look(NOON) == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert clockwork.broker.requests == []


def test_of_times_that_were_missed_the_newest_is_made_up_for(clockwork: Clockwork) -> None:
    clockwork.look(datetime(2026, 1, 9, 5, tzinfo=UTC))
    clockwork.look(datetime(2026, 1, 9, 6, tzinfo=UTC))

    assert clockwork.broker.requests == ["schedule-2026-01-09T03:00:00Z"]


def test_a_schedule_that_was_changed_makes_up_for_nothing(clockwork: Clockwork) -> None:
    hourly = Retraining(schedule="0 * * * *")
    clockwork.look(NOON + timedelta(hours=5), hourly)
    assert clockwork.broker.requests == []

    clockwork.look(NOON + timedelta(hours=6), hourly)
    assert clockwork.broker.requests == ["schedule-2026-01-01T18:00:00Z"]


def test_a_schedule_that_was_taken_away_and_comes_back_makes_up_for_nothing(clockwork: Clockwork) -> None:
    assert clockwork.look(NOON + timedelta(hours=1), Retraining()) is None
    clockwork.look(NOON + timedelta(days=3))

    assert clockwork.broker.requests == []


def test_a_time_that_could_not_be_told_is_told_later(clockwork: Clockwork) -> None:
    clockwork.broker.is_away = True
    with pytest.raises(TimeoutError):
        clockwork.look(datetime(2026, 1, 2, 3, tzinfo=UTC))
    clockwork.broker.is_away = False
    clockwork.look(datetime(2026, 1, 2, 4, tzinfo=UTC))

    assert clockwork.broker.requests == ["schedule-2026-01-02T03:00:00Z"]


def test_a_clock_that_was_far_ahead_for_a_while_ends_no_schedule(clockwork: Clockwork) -> None:
    clockwork.look(datetime(2038, 1, 1, tzinfo=UTC))
    clockwork.look(NOON)
    clockwork.look(datetime(2026, 1, 2, 3, tzinfo=UTC))

    assert clockwork.broker.requests == ["schedule-2037-12-31T03:00:00Z", "schedule-2026-01-02T03:00:00Z"]


def test_times_are_of_the_schedules_time_zone(clockwork: Clockwork) -> None:
    in_berlin = Retraining(schedule="0 3 * * *", time_zone="Europe/Berlin")

    assert clockwork.look(NOON, in_berlin) == datetime(2026, 1, 2, 2, tzinfo=UTC)
    assert clockwork.look(datetime(2026, 7, 1, 12, tzinfo=UTC), in_berlin) == datetime(
        2026, 7, 2, 1, tzinfo=UTC
    )


def test_a_time_in_an_hour_that_comes_twice_is_asked_for_once(clockwork: Clockwork) -> None:
    nightly = Retraining(schedule="30 2 * * *", time_zone="Europe/Berlin")
    for minutes in range(0, 240, 5):
        clockwork.look(datetime(2026, 10, 25, tzinfo=UTC) + timedelta(minutes=minutes), nightly)

    assert clockwork.broker.requests == ["schedule-2026-10-25T00:30:00Z"]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("0 3 * * *", datetime(2026, 1, 1, 3, tzinfo=UTC)),
        ("0 3 1 12 *", datetime(2025, 12, 1, 3, tzinfo=UTC)),
        ("0 3 29 2 *", datetime(2024, 2, 29, 3, tzinfo=UTC)),
    ],
)
def test_the_newest_time_is_found_however_long_nobody_looked(schedule: str, expected: datetime) -> None:
    long_ago = NOON - timedelta(days=2000)

    assert newest_due(Retraining(schedule=schedule), long_ago, NOON) == expected
