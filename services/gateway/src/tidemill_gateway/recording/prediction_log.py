"""The prediction log: a share of all requests is written down, and no request ever waits for that.

While a request is answered it is only put aside. The event loop writes it down later, a little at a time, so
that neither the loop nor the interpreter's lock is held for long; a thread packs and stores what was written.
What does not fit into the bounds is dropped and counted: every row ends as `logged` or `dropped`.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from tidemill_contracts import layout
from tidemill_contracts.recorded import LogFile
from tidemill_gateway.calls import Call, Part
from tidemill_gateway.errors import Code
from tidemill_gateway.recording.entries import Entry, TooLarge, rows_of
from tidemill_gateway.recording.log_storing import LogStoring
from tidemill_gateway.recording.prediction_ids import PredictionIds
from tidemill_gateway.releasing.choices import ANSWER
from tidemill_gateway.routes import RouteBook, Target

# Classify, Regress and what was answered before have no tensors to count the rows of.
MANY_ROWS = 2**32 - 1
MAX_WAITING = 1000
PAUSE_SECONDS = 0.002
SLICE_SECONDS = 0.001
HOUR_MS = 3_600_000
FILE_ROWS = 5000
FILE_BYTES = 2 << 20


@dataclass
class Draft:
    """A file that is not full yet: requests of one model within one hour.

    Its lines are one piece of memory: thousands of small ones that stay would scatter the rest.
    """

    begin_ms: int
    end_ms: int
    rows: int = 0
    content: bytearray = field(default_factory=bytearray)

    @property
    def is_full(self) -> bool:
        return self.rows >= FILE_ROWS or len(self.content) >= FILE_BYTES


class PredictionLog:
    """A Watcher that gives predictions their ids, and logs the share that each route says."""

    def __init__(
        self, ids: PredictionIds, book: RouteBook, storing: LogStoring, *, file_seconds: float
    ) -> None:
        """Prepare; a file is closed when it is full, at the end of an hour, and after `file_seconds`."""
        self._ids = ids
        self._book = book
        self._storing = storing
        self._file_seconds = file_seconds
        self._waiting: deque[Entry] = deque()
        self._is_scheduled = False
        self._drafts: dict[str, Draft] = {}
        self._files = 0

    def finished(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        """Name a prediction, and put it aside if it is to be logged."""
        route = self._book.find(target.model)
        if route is None or call.fallback == ANSWER:
            return
        rows = rows_of(part)
        prediction_id, at_ms, is_logged = self._ids.new(
            target.model,
            target.version,
            call.variant,
            rows=MANY_ROWS if part is None else rows,
            log_share=0 if call.cache else route.log_share,
        )
        if code is Code.OK:
            call.prediction_id = prediction_id
        if is_logged:
            self._put_aside(
                Entry(
                    prediction_id,
                    at_ms,
                    target.model,
                    target.version,
                    call.variant,
                    call.signature,
                    call.protocol,
                    code,
                    seconds,
                    rows,
                    part,
                    route.unlogged_columns,
                )
            )

    async def close(self, timeout_seconds: float) -> None:
        """Write down what was put aside, and wait for it to be stored; what is not by then was dropped."""
        while self._waiting:
            self._write_down(self._waiting.popleft())
        for model in list(self._drafts):
            self._close_file(model)
        await self._storing.close(timeout_seconds)

    def _put_aside(self, entry: Entry) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._storing.dropped(entry.rows)
            return
        self._waiting.append(entry)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._write_some)

    def _write_some(self) -> None:
        until = time.perf_counter() + SLICE_SECONDS
        while self._waiting and time.perf_counter() < until:
            self._write_down(self._waiting.popleft())
        self._is_scheduled = bool(self._waiting)
        if self._waiting:
            # A slice for each turn of the loop keeps up with what a turn brings.
            asyncio.get_running_loop().call_soon(self._write_some)

    def _write_down(self, entry: Entry) -> None:
        try:
            line = entry.line()
        except TooLarge:
            self._storing.dropped(entry.rows)
            return
        if not self._storing.reserve(len(line)):
            self._storing.dropped(entry.rows)
            return
        draft = self._draft(entry)
        draft.content += line
        draft.rows += entry.rows
        draft.end_ms = max(draft.end_ms, entry.at_ms)
        draft.begin_ms = min(draft.begin_ms, entry.at_ms)
        if draft.is_full:
            self._close_file(entry.model)

    def _draft(self, entry: Entry) -> Draft:
        draft = self._drafts.get(entry.model)
        if draft is not None and entry.at_ms // HOUR_MS != draft.begin_ms // HOUR_MS:
            self._close_file(entry.model)
            draft = None
        if draft is None:
            draft = self._drafts[entry.model] = Draft(entry.at_ms, entry.at_ms)
            loop = asyncio.get_running_loop()
            loop.call_later(self._file_seconds, self._close_old_file, entry.model, draft)
        return draft

    def _close_old_file(self, model: str, draft: Draft) -> None:
        if self._drafts.get(model) is draft:
            self._close_file(model)

    def _close_file(self, model: str) -> None:
        draft = self._drafts.pop(model)
        self._files += 1
        file = LogFile(draft.begin_ms, draft.end_ms, self._ids.gateway, self._files)
        name = layout.prediction_log(model, layout.hour_of(draft.begin_ms), file.name)
        self._storing.store(name, draft.content, draft.rows)
