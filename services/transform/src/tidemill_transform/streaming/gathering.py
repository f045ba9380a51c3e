"""Records gathered by window, with state and event-time timers.

Runners agree on these more than on triggers: no record is dropped for being late, and a pane never holds more
than it may.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import PickleCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer

from tidemill_transform.streaming.packing import Pane
from tidemill_transform.streaming.records import Record
from tidemill_transform.streaming.windows import Windows

Clock = Callable[[], float]

KEY: Any = beam.DoFn.KeyParam
RECORDS: Any = beam.DoFn.StateParam(BagStateSpec("records", PickleCoder()))
PROGRESS: Any = beam.DoFn.StateParam(ReadModifyWriteStateSpec("progress", PickleCoder()))
DUE = TimerSpec("due", TimeDomain.WATERMARK)
SET_DUE: Any = beam.DoFn.TimerParam(DUE)
FORGOTTEN = TimerSpec("forgotten", TimeDomain.WATERMARK)
SET_FORGOTTEN: Any = beam.DoFn.TimerParam(FORGOTTEN)


class Progress(NamedTuple):
    """What is known of a window: records it holds, panes it gave, whether the watermark passed its end."""

    held: int = 0
    panes: int = 0
    landed: bool = False


class Gather(beam.DoFn):
    """(start of a window, Record) -> Pane, when the window is over or holds as many records as a pane may."""

    def __init__(self, windows: Windows, max_rows: int, clock: Clock) -> None:
        self._windows = windows
        self._max_rows = max_rows
        self._clock = clock

    def process(
        self,
        placed: tuple[int, Record],
        records: Any = RECORDS,
        progress: Any = PROGRESS,
        due: Any = SET_DUE,
        forgotten: Any = SET_FORGOTTEN,
    ) -> Iterator[Pane]:
        start, record = placed
        known = progress.read()
        now = known or Progress()
        if known is None:
            forgotten.set(self._windows.forgotten(start))
        if now.held == 0:
            due.set(self._windows.due(start, self._clock(), landed=now.landed))
        records.add(record)
        progress.write(now._replace(held=now.held + 1))
        if now.held + 1 >= self._max_rows:
            yield from _pane(start, records, progress)

    @on_timer(DUE)
    def end(self, start: int = KEY, records: Any = RECORDS, progress: Any = PROGRESS) -> Iterator[Pane]:
        """Give what a window holds: its end has come, or that of the window in which late records came."""
        if progress.read() is not None:
            yield from _pane(start, records, progress)
            progress.write(progress.read()._replace(landed=True))

    @on_timer(FORGOTTEN)
    def forget(self, start: int = KEY, records: Any = RECORDS, progress: Any = PROGRESS) -> Iterator[Pane]:
        """Let go of a window that no record can come for."""
        yield from _pane(start, records, progress)
        progress.clear()


def _pane(start: int, records: Any, progress: Any) -> Iterator[Pane]:
    now: Progress = progress.read() or Progress()
    if now.held:
        yield Pane(start, now.panes, tuple(records.read()))
        records.clear()
        progress.write(now._replace(held=0, panes=now.panes + 1))
