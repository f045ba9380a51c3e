"""Rules of a budget: it leaves room for all that follows the search, by what the same process measured."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tidemill_contracts.training_spec import Training
from tidemill_trainer.search.budget import Budget, plan_budget
from tidemill_trainer.trainings import Trial

LONG = Training(budget="10m")


def trial_of(start: float, seconds: float) -> Trial:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    facts = {"number": 0, "family": "deep", "origin": "default", "params": {}, "state": "finished"}
    return Trial.model_validate({**facts, "seconds": seconds, "started_at": begin})


def test_without_a_budget_there_is_no_end() -> None:
    budget = plan_budget(Training(), begun=5, rows_held_out=10)

    assert (budget.search_until, budget.ends_at) == (float("inf"), float("inf"))
    assert budget.has_time([1e9])


def test_the_search_ends_before_the_budget_does_and_earlier_jobs_count_trials_side_by_side_once() -> None:
    earlier = [trial_of(0, 10), trial_of(5, 10), trial_of(6, 2), trial_of(100, 1)]

    alone = plan_budget(LONG, begun=1000, rows_held_out=1000)
    after = plan_budget(LONG, begun=1000, earlier=earlier, rows_held_out=1000)

    assert 1300 < alone.search_until < alone.ends_at == 1600
    assert after.search_until == pytest.approx(alone.search_until - 16)
    assert after.ends_at == pytest.approx(1584)


def test_more_rows_to_be_asked_for_leave_less_time() -> None:
    few, many = (plan_budget(LONG, begun=0, rows_held_out=rows) for rows in (10, 500_000))

    assert many.search_until < few.search_until


def test_a_job_that_was_slow_to_begin_keeps_more_time_back() -> None:
    usual, quick, slow = (
        plan_budget(LONG, begun=0, start_seconds=seconds, rows_held_out=10).search_until
        for seconds in (15, 5, 45)
    )

    inside = 0.04 * 600
    assert quick == usual
    assert 600 - slow - inside == pytest.approx(3 * (600 - usual - inside))


def test_a_small_budget_has_some_time_for_the_search() -> None:
    budget = plan_budget(Training(budget="10s"), begun=0, rows_held_out=10)

    assert budget.search_until == pytest.approx(4)


def test_one_more_model_is_examined_only_if_time_for_the_verdict_is_left_by_what_others_took() -> None:
    budget = Budget(search_until=0, ends_at=time.monotonic() + 1000, looking_seconds=100)

    assert budget.has_time([10, 20])
    assert not budget.has_time([10, 900])
    assert not budget.has_time([250, 250])
