"""Rules of what is known: time is counted once, and the budget leaves room for all that follows."""

from datetime import UTC, datetime, timedelta

import pytest

from tidemill_contracts.training_spec import Training
from tidemill_trainer.search.board import busy_seconds
from tidemill_trainer.search.budget import search_until
from tidemill_trainer.trainings import Trial

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def trial(start: float, seconds: float) -> Trial:
    return Trial(
        number=0,
        family="deep",
        origin="default",
        params={},
        state="finished",
        seconds=seconds,
        started_at=BEGIN + timedelta(seconds=start),
    )


def test_trials_side_by_side_are_counted_once() -> None:
    assert busy_seconds([trial(0, 10), trial(5, 10), trial(6, 2), trial(100, 1)]) == pytest.approx(16)


def test_without_a_budget_there_is_no_end() -> None:
    assert search_until(Training(), begun=5, rows_held_out=10) == float("inf")


def test_the_search_ends_before_the_budget_does_and_earlier_jobs_count() -> None:
    spec = Training(budget="10m")

    alone = search_until(spec, begun=1000, rows_held_out=1000)
    after = search_until(spec, begun=1000, earlier=[trial(0, 100)], rows_held_out=1000)

    assert 1300 < alone < 1600
    assert after == pytest.approx(alone - 100)


def test_more_rows_to_be_asked_for_leave_less_time() -> None:
    spec = Training(budget="10m")

    assert search_until(spec, begun=0, rows_held_out=500_000) < search_until(spec, begun=0, rows_held_out=10)


def test_a_small_budget_has_some_time_for_the_search() -> None:
    assert search_until(Training(budget="10s"), begun=0, rows_held_out=10) == pytest.approx(3)
