"""Rules of landing: every record is in exactly one drop, whatever happens between any two steps."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tidemill_contracts import layout
from tidemill_ingest.batcher import Batcher, Limits
from tidemill_ingest.errors import Refused
from tidemill_ingest.idempotency import Claim, claim, forget_old_claims
from tidemill_ingest.pending import Overloaded, Pending
from tidemill_ingest.segments import Sent, new_segment
from tidemill_runtime.folder import FolderStore

ANY = Limits(records=1, size_bytes=1 << 20, seconds=3600)
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
FIRST_DROP = "drops/flights/records-0000000001.jsonl"


class Killed(BaseException):
    """The process ended here."""


class InterruptedStore(FolderStore):
    """A bucket in which something happens once, just before or just after the change of a number."""

    def __init__(self, root: Path, number: int, happens: Callable[[], None], *, after: bool) -> None:
        super().__init__(root)
        self._left = number
        self._happens = happens
        self._after = after
        self._lock = threading.RLock()
        self.was_interrupted = False

    def create(self, name: str, data: bytes) -> bool:
        return self._changing(lambda: FolderStore.create(self, name, data))

    def write(self, name: str, data: bytes) -> None:
        self._changing(lambda: FolderStore.write(self, name, data))

    def delete(self, name: str) -> None:
        self._changing(lambda: FolderStore.delete(self, name))

    def _changing(self, change: Callable[[], object]) -> bool:
        with self._lock:
            if self.was_interrupted and self._happens is kill:
                raise Killed
            is_now = self._left == 0
            self._left -= 1
            self.was_interrupted = self.was_interrupted or is_now
            if is_now and not self._after:
                self._happens()
            changed = bool(change())
            if is_now and self._after:
                self._happens()
            return changed


def kill() -> None:
    raise Killed


def send(store: FolderStore, *records: object, key: str | None = None) -> None:
    """Store records as the API does, in a segment of their own."""
    content = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    name = (
        None if key is None else claim(store, "flights", key, Claim(digest=str(records), records=1), NOW)[0]
    )
    sent = Sent(len(records), len(content), name, str(records))
    store.create(*new_segment("flights", [(sent, content)]))


def landed(store: FolderStore) -> list[list[object]]:
    """The records of every drop."""
    return [list(map(json.loads, store.read(name).splitlines())) for name in store.list("drops/")]


def batcher(store: FolderStore, limits: Limits = ANY) -> Batcher:
    return Batcher(store, limits, Pending(1 << 20))


@pytest.mark.parametrize("happening", ["killed before", "killed after", "another replica's turn"])
def test_each_record_is_in_one_drop_whatever_happens_between_two_changes(
    tmp_path: Path, happening: str
) -> None:
    few = Limits(records=4, size_bytes=1 << 20, seconds=0)
    for number in range(100):
        store = FolderStore(tmp_path / f"{number}")
        send(store, 1, 2)
        send(store, 3, key="k")
        send(store, 3, key="k")
        other = batcher(store, few)
        happens = kill if happening.startswith("killed") else other.turn
        interrupted = InterruptedStore(
            tmp_path / f"{number}", number, happens, after=happening == "killed after"
        )
        with suppress(Killed):
            batcher(interrupted, few).turn()
        send(store, 4)
        send(store, 3, key="k")
        batcher(store).turn()

        assert Counter(str(record) for drop in landed(store) for record in drop) == Counter("1234")
        assert store.list("records/") == []
        if not interrupted.was_interrupted:
            break
    assert 5 < number < 99


def test_records_wait_for_enough_of_them_or_for_the_oldest_to_be_old_enough(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    send(store, 1, 2)
    batcher(store, Limits(records=3, size_bytes=100, seconds=3600)).turn()
    few = landed(store)
    send(store, 3)
    batcher(store, Limits(records=3, size_bytes=100, seconds=3600)).turn()
    enough = landed(store)
    send(store, 4)
    time.sleep(0.01)
    batcher(store, Limits(records=3, size_bytes=100, seconds=0.005)).turn()
    send(store, "x" * 100)
    batcher(store, Limits(records=3, size_bytes=100, seconds=3600)).turn()

    assert few == []
    assert enough == [[1, 2, 3]]
    assert landed(store) == [[1, 2, 3], [4], ["x" * 100]]


def test_many_records_become_several_drops_in_the_order_they_came(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for number in range(10):
        send(store, number)
    batcher(store, Limits(records=4, size_bytes=1 << 20, seconds=0)).turn()

    assert landed(store) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_key_counts_once_even_when_its_first_records_landed_long_before(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(2):
        send(store, 1, key="k")
        batcher(store).turn()

    assert landed(store) == [[1]]


def test_a_key_is_known_for_a_day_and_forgotten_after_three(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    other = Claim(digest="other", records=1)
    send(store, 1, key="k")

    with pytest.raises(Refused, match="key-reused"):
        claim(store, "flights", "k", other, NOW + timedelta(hours=24))
    forget_old_claims(store, NOW + timedelta(days=2))
    assert store.list("record-keys/") != []
    forget_old_claims(store, NOW + timedelta(days=3))
    assert store.list("record-keys/") == []
    assert claim(store, "flights", "k", other, NOW + timedelta(days=3))[1] == other


def test_a_segment_that_comes_back_to_life_is_not_landed_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    send(store, 1)
    (segment,) = store.list("records/")
    content = store.read(segment)
    batcher(store).turn()
    send(store, 2)
    batcher(store).turn()
    store.create(segment, content)
    batcher(store).turn()

    assert landed(store) == [[1], [2]]
    assert store.list("records/") == []


def test_a_file_of_the_name_that_a_batch_would_have_is_left_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write(FIRST_DROP, b'"mine"\n')
    send(store, 1)
    batcher(store).turn()

    assert landed(store) == [[1], ["mine"]]
    assert all(layout.is_records_drop(name) for name in store.list("drops/"))


def test_what_is_no_segment_is_left_alone_and_hinders_nobody(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("records/flights/notes.txt", b"?")
    store.write("records/broken/0000000000000001-1-1-x", b"?")
    send(store, 1)
    batcher(store).turn()

    assert landed(store) == [[1]]


def test_more_is_accepted_once_what_waited_has_landed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    pending = Pending(max_bytes=2)
    send(store, 1)
    Batcher(store, Limits(records=2, size_bytes=100, seconds=3600), pending).turn()
    with pytest.raises(Overloaded):
        pending.check("flights")
    pending.check("others")
    working = Batcher(store, ANY, pending)
    working.turn()
    working.turn()

    pending.check("flights")
