"""What a command prints while it works: a line per step that is done, and what it waits for below."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tidemill_local.cli.story import Line, Outcome, clock

MARKS = {
    Outcome.GOES_ON: ("✓", "green"),
    Outcome.SERVED: ("✓", "green"),
    Outcome.NOTHING_NEW: ("=", "yellow"),
    Outcome.REFUSED: ("✗", "red"),
}


class Say(Protocol):
    """Changes what is shown below; `seconds_left` counts down beside it."""

    def __call__(self, what: str, seconds_left: float | None = None) -> None: ...


class Progress:
    """Prints steps as they end, each with the seconds since the one before; they add up to the whole."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = self._last = time.monotonic()

    def step(self, line: Line) -> None:
        """Print one step that has just ended."""
        now = time.monotonic()
        self.console.print(step_row(line, now - self._last))
        self._last = now

    @contextmanager
    def waiting(self, what: str) -> Iterator["Say"]:
        """Show what is waited for while the block runs; yield a function that changes the words."""
        waiting = _Waiting(what, self._last)
        with Live(waiting, console=self.console, transient=True, refresh_per_second=10):
            yield waiting.say

    @property
    def is_live(self) -> bool:
        """Whether what is waited for is seen: in a terminal, not in a file."""
        return self.console.is_terminal

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self.began


class _Waiting:
    def __init__(self, what: str, since: float) -> None:
        self._spinner = Spinner("dots", style="cyan")
        self._since = since
        self.say(what)

    def say(self, what: str, seconds_left: float | None = None) -> None:
        self._what = what
        self._until = None if seconds_left is None else time.monotonic() + seconds_left

    def __rich__(self) -> RenderableType:
        now = time.monotonic()
        left = "" if self._until is None else f", {clock(self._until - now)} left"
        seconds = Text(f"{now - self._since:.1f} s", style="dim")
        return _grid(self._spinner, Text(""), Text(f"{self._what}{left}", style="dim"), seconds)


def step_row(line: Line, seconds: float) -> Table:
    """Lay a step out as a row as wide as the screen."""
    mark, colour = MARKS[line.outcome]
    bad = "red" if line.outcome is Outcome.REFUSED else ""
    return _grid(
        Text(mark, style=colour),
        Text(line.stage, style="bold"),
        Text(line.text, style=bad),
        Text(f"{seconds:.1f} s", style="dim"),
    )


def _grid(mark: RenderableType, stage: Text, text: Text, seconds: Text) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=2, justify="right")
    grid.add_column(width=9)
    grid.add_column(ratio=1)
    grid.add_column(width=7, justify="right")
    grid.add_row(mark, stage, text, seconds)
    return grid
