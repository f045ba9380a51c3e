"""Rules of sequences: every key one number, every number one key, without gaps, whoever asks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tidemill_contracts import layout
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    return Sequence(FolderStore(tmp_path), "spans", "flights")


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


class Overtaken(FolderStore):
    """A store that is slow to list, so that others come first, once."""

    def __init__(self, folder: Path, first: Callable[[], object]) -> None:
        super().__init__(folder)
        self._first = [first]

    def list(self, prefix: str) -> list[str]:
        if self._first:
            self._first.pop()()
        return super().list(prefix)


def test_a_key_gets_no_second_number_from_one_who_was_overtaken(sequence: Sequence, tmp_path: Path) -> None:
    def others() -> None:
        for key in ("k", "another"):
            sequence.allocate(key)

    slow = Sequence(Overtaken(tmp_path, others), "spans", "flights")

    assert slow.allocate("k") == 1
    assert sequence.keys() == {1: "k", 2: "another"}


def test_a_kill_between_number_and_key_gives_the_key_no_second_number(sequence: Sequence) -> None:
    for key in ("a", "b"):
        sequence.allocate(key)
    sequence.store.delete(layout.sequence_key("spans", "flights", "b"))

    assert sequence.allocate("c") == 3
    assert sequence.allocate("b") == 2


def test_a_number_that_was_given_is_found_without_reading_the_others(sequence: Sequence) -> None:
    assert sequence.allocate("a") == 1
    sequence.store.delete(layout.sequence_entry("spans", "flights", 1))

    assert sequence.allocate("a") == 1
