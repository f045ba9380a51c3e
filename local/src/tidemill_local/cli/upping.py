"""`tidemill up`: the platform in the foreground, until it is asked to stop."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.running import find
from tidemill_local.cli.status import process_table
from tidemill_local.supervisor.child import State
from tidemill_local.supervisor.home import NotRunning
from tidemill_local.supervisor.platform import Platform

LOOK_SECONDS = 0.25
STOP_SECONDS = 60


def run_platform(home: Path, console: Console) -> None:
    """Start everything, show it, stop at Ctrl-C or SIGTERM; raise StartFailed when a process gives up."""
    platform = Platform(home)
    with stoppable(), platform:
        try:
            with Live(_View(platform), console=console, refresh_per_second=4):
                while platform.unready():
                    platform.check_failures()
                    time.sleep(LOOK_SECONDS)
            console.print("\nready; Ctrl-C stops it\n")
            _tell_changes(platform, console)
        except KeyboardInterrupt:
            console.print("stopping")
    console.print("stopped; nothing is left running")


def _tell_changes(platform: Platform, console: Console) -> NoReturn:
    told = {process.name: process.state for process in platform.state().processes}
    while True:
        platform.check_failures()
        for process in platform.state().processes:
            if process.state != told[process.name]:
                why = process.detail if process.state == State.RESTARTING else ""
                console.print(f"{time.strftime('%H:%M:%S')}  {process.name} {process.state} {why}")
                told[process.name] = process.state
        time.sleep(LOOK_SECONDS)


def stop_platform(home: Path) -> None:
    """Stop a platform; return when nothing of it is left, raise CommandFailed when that takes too long."""
    running = find(home)
    os.kill(running.state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            running.home.running()
        except NotRunning:
            return
        time.sleep(LOOK_SECONDS)
    raise CommandFailed(
        f"expected process {running.state.pid} to stop within {STOP_SECONDS} s, it still runs"
    )


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _View:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __rich__(self) -> RenderableType:
        table = process_table(
            (process, None if State(process.state).is_ready else process.detail or "...")
            for process in self._platform.state().processes
        )
        return Group(Text.assemble(("Tidemill", "bold"), f" in {self._platform.home.path}\n"), table)
