"""A span that is written while its file is read for the first time.

What a file holds is known once every cell was looked at, but its head mostly tells: the rows are written as
if it did, and stay when the whole file turns out as its head. Otherwise they are thrown away, and the file is
read again.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Plan
from tidemill_ingest.privacy import check_key
from tidemill_ingest.reader import Seen
from tidemill_ingest.span_writer import DATA_FILE, REJECTS_FILE, SpanWriter, writing

# Arrow's and Python's messages quote the value that they failed at, which may be nobody's business.
UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError)
HEAD_BATCHES = 4
# More rows set aside than this are not held until there is a plan.
MAX_HELD = 10_000

Held = Seen | tuple[str, object]


class Draft:
    """Watches a file being read, and writes it. A context manager: what was not finished is thrown away."""

    def __init__(self, folder: Path, privacy_key: bytes | None) -> None:
        self._folder = folder
        self._key = privacy_key
        self._open = ExitStack()
        self._head: list[Held] = []
        self._head_batches = 0
        self._writer: SpanWriter | None = None
        self._types: object = None
        self._is_given_up = False

    def reject(self, problem: str, cell: object = None) -> None:
        """Note a row that the reader has set aside."""
        if self._is_given_up:
            return
        if self._writer:
            self._writer.rejects.add(problem, cell)
        elif len(self._head) < MAX_HELD:
            self._head.append((problem, cell))
        else:
            self._give_up()

    def look(self, seen: Seen, presumed: Callable[[], Plan]) -> None:
        """Take a batch of rows.

        Args:
            presumed: Says how the file will be stored, if the rest of it is as what was read so far.
        """
        if self._is_given_up:
            return
        try:
            if self._writer:
                self._go_on(self._writer, seen)
            else:
                self._begin(seen, presumed)
        except (Refused, *UNREADABLE):
            self._give_up()  # whoever reads the file again will fail in the same way

    def finish(self, plan: Plan) -> SpanWriter | None:
        """Complete the files when they are as the plan wants them; None when they are not."""
        if not self._is_given_up and self._writer is None:
            self._write_head(plan)
        if self._writer is None or self._writer.plan != plan:
            return None
        self._open.close()
        written, self._writer = self._writer, None
        return written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer:
            self._give_up()

    def _begin(self, seen: Seen, presumed: Callable[[], Plan]) -> None:
        self._head.append(seen)
        self._head_batches += 1
        if self._head_batches == HEAD_BATCHES:
            plan = presumed()
            check_key(plan.columns, self._key)
            self._types = seen.types()
            self._write_head(plan)

    def _write_head(self, plan: Plan) -> None:
        self._writer = self._open.enter_context(writing(self._folder, plan, self._key))
        for held in self._head:
            if isinstance(held, Seen):
                self._writer.add(held.rows, held.converted)
            else:
                self._writer.rejects.add(*held)
        self._head.clear()

    def _go_on(self, writer: SpanWriter, seen: Seen) -> None:
        if seen.types() == self._types:
            writer.add(seen.rows, seen.converted)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._is_given_up = True
        self._head.clear()
        self._writer = None
        try:
            self._open.close()
        finally:
            for name in (DATA_FILE, REJECTS_FILE):
                (self._folder / name).unlink(missing_ok=True)
