"""Attempts side by side, as many as there are cores for."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

from tidemill_contracts.training_spec import Family, Training
from tidemill_trainer.families import WITHOUT_TENSORFLOW
from tidemill_trainer.search.attempts import Attempt, Outcome

# More attempts at once would each have too little of the machine to be told in time what helps.
MOST_LANES = 4
# With so many rows a single fit has work for every core, and two have too much for the memory.
ROWS_FOR_ALL_CORES = 300_000

# Returns what to begin beside these attempts, None when there is nothing (that can run beside them).
Source = Callable[[Sequence[Attempt]], Attempt | None]


class Lanes:
    """Runs attempts in threads; all else happens in the thread that asks."""

    def __init__(self, make: Callable[[Attempt], Outcome], lanes: int) -> None:
        """Prepare for so many attempts at once."""
        self._make, self._lanes = make, lanes
        self._pool = ThreadPoolExecutor(lanes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def run(
        self,
        source: Source,
        settle: Callable[[Attempt, Outcome], None],
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Make attempts until the source has none and all have ended; `meanwhile` is called once, early."""
        running: dict[Future[Outcome], Attempt] = {}
        while True:
            while len(running) < self._lanes and (attempt := source([*running.values()])) is not None:
                running[self._pool.submit(self._make, attempt)] = attempt
            meanwhile()
            meanwhile = _nothing
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: running[future].number):
                settle(running.pop(future), future.result())


def can_run_beside(family: Family, running: Sequence[Attempt]) -> bool:
    """Say whether a family can train beside others: seeds of TensorFlow are global, so one at a time."""
    return family in WITHOUT_TENSORFLOW or all(attempt.family in WITHOUT_TENSORFLOW for attempt in running)


def lanes_for(spec: Training, rows: int) -> int:
    """Return how many attempts to make at once.

    Without a budget one, so that every suggestion follows from all the results before it; the first trials of
    all families do not depend on each other.
    """
    is_repeatable = spec.budget_seconds is None and spec.trials is not None
    return 1 if is_repeatable or rows >= ROWS_FOR_ALL_CORES else min(_cores(spec.resources.cpu), MOST_LANES)


def _cores(cpu: str | None) -> int:
    """Return the cores that a training may use; a container's limit does not show in those there are."""
    there_are = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cpu is None:
        return there_are
    wanted = float(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
    return min(there_are, math.ceil(wanted))


def _nothing() -> None:
    """Do nothing."""
