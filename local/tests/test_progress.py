"""What people see of a search: every trial in a file, one line for all of them in a terminal."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import CandidateTrained, TrialFinished
from tidemill_local.cli.following import follow
from tidemill_local.cli.progress import Progress
from tidemill_local.cli.story import clock


def a_story() -> Iterator[Event]:
    for number in range(3):
        yield an_event(
            TrialFinished(
                pipeline="p",
                model_id="m",
                trial=number,
                family="deep",
                metric="roc_auc",
                score=0.9,
                best=0.91,
                state="finished",
                seconds=1,
                seconds_left=252,
            )
        )
    yield an_event(CandidateTrained(pipeline="p", model_id="m", family="deep", metrics={}, seconds=1))


def an_event(data: EventData) -> Event:
    return Event(
        type="t",
        source="/s",
        subject=data.subject,
        data=data,
        id="i",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        correlation_id="c",
    )


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    follow(a_story(), Progress(Console(file=out, force_terminal=terminal, width=100)))
    return out.getvalue()


def test_in_a_file_every_trial_is_a_line() -> None:
    lines = [line.strip() for line in shown(terminal=False).splitlines() if "trial" in line]

    assert len(lines) == 3
    assert "trial 2, deep: roc_auc 0.9000, best 0.9100, 4:12 left" in lines[2]


def test_in_a_terminal_trials_leave_no_line_behind() -> None:
    kept = [line for line in shown(terminal=True).split("\n") if "train" in line and "trial " not in line]

    assert len(kept) == 1
    assert "deep" in kept[0]


def test_in_a_terminal_what_is_waited_for_counts_down() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=100)).waiting("transform") as say:
        say("trial 7, deep: roc_auc 0.9", 61)
        deadline = time.monotonic() + 10
        while "trial 7" not in out.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)

    assert "trial 7, deep: roc_auc 0.9, 1:0" in out.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3_600, "60:00"), (-3, "0:00")])
def test_a_time_is_read_in_minutes(seconds: float, text: str) -> None:
    assert clock(seconds) == text
