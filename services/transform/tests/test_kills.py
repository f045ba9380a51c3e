"""Rules of kills: wherever the process ends, the next delivery finishes the same work."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from transform_world import ROWS, World, a_request, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_runtime.folder import FolderStore


class Killed(BaseException):
    """The process ends here."""


class MortalStore(FolderStore):
    """A bucket whose user dies after so many changes to it; None for never."""

    def __init__(self, root: Path, writes_left: int | None) -> None:
        super().__init__(root)
        self._writes_left = writes_left

    def create(self, name: str, data: bytes) -> bool:
        self._one_write_less()
        return super().create(name, data)

    def upload(self, name: str, path: Path) -> None:
        self._one_write_less()
        super().upload(name, path)

    def _one_write_less(self) -> None:
        if self._writes_left is not None:
            self._writes_left -= 1
            if self._writes_left < 0:
                raise Killed


def a_good_span(store: FolderStore) -> Event:
    return a_span(store, some_rows(first=ROWS), spec=a_spec(columns={"distance": {"maximum": 1780}}))


def a_bad_span(store: FolderStore) -> Event:
    return a_span(store, spec=a_spec(label="nowhere > 1"))


def a_wish(store: FolderStore) -> Event:
    store.write(layout.pipeline_spec("flights"), a_spec(label="delay >= 10").to_json().encode())
    return a_request("monday")


@pytest.mark.parametrize("make_event", [a_good_span, a_bad_span, a_wish])
def test_a_kill_between_any_two_writes_changes_nothing_in_the_end(
    tmp_path: Path, make_event: Callable[[FolderStore], Event]
) -> None:
    before = World(tmp_path / "before")
    before.tell(a_span(before.store))
    event = make_event(before.store)

    def a_world(name: str, writes_left: int | None = None) -> World:
        shutil.copytree(tmp_path / "before", tmp_path / name)
        return World(tmp_path / name, MortalStore(tmp_path / name / "bucket", writes_left))

    undisturbed = a_world("undisturbed")
    expected = undisturbed.tell(event)
    for writes in count():
        try:
            a_world(str(writes), writes).tell(event)
        except Killed:
            world = World(tmp_path / str(writes))
            told = world.tell(event)
            assert told.model_copy(update={"seconds": 0}) == expected.model_copy(update={"seconds": 0})
            assert world.contents() == undisturbed.contents()
        else:
            break

    assert writes > 1
