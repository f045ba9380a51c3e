"""The broker's file: SQLite in WAL mode, written by group commit.

`write` queues statements; everything queued during one turn of the event loop goes into one transaction
at its end. A commit costs about 10 microseconds, less than handing it to a thread, so it runs on the loop.
The effects of a write (`apply`) run right after its commit, in the order the writes were queued: nothing
is visible before it is durable, and no other code sees a committed write whose effects are missing.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from tidemill_local.broker.errors import StorageError, UnavailableError
from tidemill_runtime.logs import get_logger

SCHEMA_VERSION = 1

# Each row of `progress` is what one subscription did with one message; no row means "not delivered yet".
_SCHEMA = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, config BLOB NOT NULL);
CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, first_seq INTEGER NOT NULL, config BLOB NOT NULL);
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, next_seq INTEGER NOT NULL, unacked BLOB NOT NULL,
    config BLOB NOT NULL);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, ordering_key TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE progress (
    seq INTEGER, subscription_id INTEGER,
    acked INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
    lease_id INTEGER NOT NULL DEFAULT 0, lease_until REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (seq, subscription_id)) WITHOUT ROWID;
"""


class Statement(NamedTuple):
    """One SQL statement and the rows to run it with."""

    sql: str
    rows: Sequence[tuple[Any, ...]]


class _Write(NamedTuple):
    statements: Sequence[Statement]
    apply: Callable[[], None] | None
    done: asyncio.Future[None]


class Journal:
    """The open file. One process at a time: a second one is refused.

    Raises:
        StorageError: the file is in use, unreadable, not a broker's, or from another schema version.
    """

    def __init__(
        self, path: Path, *, observe_commit_seconds: Callable[[float], None] = lambda _: None
    ) -> None:
        self._path = path
        self._observe_commit_seconds = observe_commit_seconds
        self._queue: list[_Write] = []
        self._broken_by: sqlite3.Error | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._open()
        except (OSError, sqlite3.Error) as error:
            reason = "another broker is using it" if "locked" in str(error) else str(error)
            raise StorageError(f"cannot open {path}: {reason}") from error

    def _open(self) -> None:
        # The exclusive lock lives as long as the process, and lets WAL work without shared memory.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN EXCLUSIVE")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            raise StorageError(f"cannot open {self._path}: expected schema {SCHEMA_VERSION}, found {version}")
        self._connection.execute("COMMIT")

    def check(self) -> None:
        """Raises `UnavailableError` if the last commit failed."""
        if self._broken_by is not None:
            raise _unavailable(self._broken_by)

    def read(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """Run a query over what is committed."""
        return self._connection.execute(sql, parameters)

    def write(
        self, statements: Sequence[Statement], apply: Callable[[], None] | None = None
    ) -> asyncio.Future[None]:
        """Queue statements for the next commit; `apply` runs right after it.

        Returns a future that ends after `apply`, or with `UnavailableError` if nothing was written.
        """
        loop = asyncio.get_running_loop()
        if not self._queue:
            loop.call_soon(self.flush)
        done: asyncio.Future[None] = loop.create_future()
        self._queue.append(_Write(statements, apply, done))
        return done

    def commit(self, statements: Sequence[Statement]) -> None:
        """Write at once, with whatever else is queued; raises `UnavailableError` if nothing was written."""
        done = self.write(statements)
        self.flush()
        done.result()

    def flush(self) -> None:
        """Commit what is queued. All or nothing: a failure is reported to every writer of the group."""
        group, self._queue = self._queue, []
        if not group:
            return
        started = perf_counter()
        try:
            self._commit(group)
        except sqlite3.Error as error:
            self._broken_by = error
            self._fail(group, error)
            return
        self._broken_by = None
        self._observe_commit_seconds(perf_counter() - started)
        for write in group:
            self._finish(write)

    def close(self) -> None:
        """Commit what is queued and release the file."""
        self.flush()
        self._connection.close()

    def _commit(self, group: list[_Write]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for write in group:
            for statement in write.statements:
                self._connection.executemany(statement.sql, statement.rows)
        self._connection.execute("COMMIT")

    def _finish(self, write: _Write) -> None:
        try:
            if write.apply:
                write.apply()
        except Exception:  # noqa: BLE001 - logged with its traceback
            # The rest of the group is committed as well, and its effects must not be lost with these.
            get_logger().exception("effect of a commit failed")
        if not write.done.done():
            write.done.set_result(None)

    def _fail(self, group: list[_Write], cause: sqlite3.Error) -> None:
        # SQLite may have rolled back by itself, and on a broken disk even the rollback can fail.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        for write in group:
            if not write.done.done():
                write.done.set_exception(_unavailable(cause))


def _unavailable(cause: sqlite3.Error) -> UnavailableError:
    return UnavailableError(f"The broker could not write to its file ({cause}); nothing was recorded.")
