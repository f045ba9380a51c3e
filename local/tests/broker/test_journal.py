"""Group commit: what is durable when, and what a broken disk leads to."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tidemill_local.broker import records
from tidemill_local.broker.errors import StorageError, UnavailableError
from tidemill_local.broker.journal import Journal, Statement
from tidemill_local.broker.payloads import Payloads

BROKEN = Statement("INSERT INTO nowhere VALUES (?)", [(1,)])


def storing(seq: int, payload: bytes = b"x") -> Statement:
    return records.store_messages([(seq, 1, "", payload)])


async def test_effects_happen_after_the_commit_in_the_order_of_the_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    seen: list[int] = []

    def look() -> None:
        seen.append(journal.read("SELECT count(*) FROM messages").fetchone()[0])

    writes = [journal.write([storing(seq)], look) for seq in (1, 2, 3)]
    assert seen == []
    await asyncio.gather(*writes)

    assert seen == [3, 3, 3]


async def test_a_failed_commit_records_nothing_and_has_no_effect(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    effects: list[str] = []

    writes = [journal.write([storing(1)], lambda: effects.append("good")), journal.write([BROKEN])]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [UnavailableError, UnavailableError]
    with pytest.raises(UnavailableError):
        journal.check()
    assert effects == []
    assert journal.read("SELECT * FROM messages").fetchall() == []


async def test_the_journal_recovers_after_a_failed_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    with pytest.raises(UnavailableError, match="nothing was recorded"):
        journal.commit([BROKEN])

    journal.commit([storing(1)])

    journal.check()
    assert journal.read("SELECT seq FROM messages").fetchall() == [(1,)]


async def test_a_full_disk_fails_the_write_with_the_reason(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    journal.read("PRAGMA max_page_count = 1")

    with pytest.raises(UnavailableError, match="full"):
        await journal.write([storing(1, b"x" * 1_000_000)])


async def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    write = journal.write([storing(1)])

    journal.close()

    await write
    assert sqlite3.connect(tmp_path / "broker.db").execute("SELECT seq FROM messages").fetchall() == [(1,)]


def test_one_file_belongs_to_one_broker(tmp_path: Path) -> None:
    first = Journal(tmp_path / "broker.db")

    with pytest.raises(StorageError, match="another broker is using it"):
        Journal(tmp_path / "broker.db")
    first.close()
    Journal(tmp_path / "broker.db").close()


@pytest.mark.parametrize(("content", "reason"), [(b"not a database" * 100, "not a database"), (None, "open")])
def test_a_file_that_is_no_broker_file_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "broker.db"
    path.mkdir() if content is None else path.write_bytes(content)

    with pytest.raises(StorageError, match=reason):
        Journal(path)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StorageError, match="expected schema 1, found 99"):
        Journal(path)


async def test_payloads_past_the_memory_limit_are_read_from_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "broker.db")
    payloads = Payloads(journal, limit_bytes=10)
    for seq, payload in ((1, b"a" * 8), (2, b"b" * 8)):
        journal.commit([storing(seq, payload)])
        payloads.put(seq, payload)

    assert payloads.get(1) == b"a" * 8
    assert payloads.get(2) == b"b" * 8
    journal.commit(records.forget_messages([1, 2]))
    assert payloads.get(1) is None
    assert payloads.get(2) == b"b" * 8
    payloads.drop(2)
    assert payloads.get(2) is None
