"""Rules of where a version answers: in the loop while it is quick and alone, in its lane otherwise."""

import asyncio
import threading
import time

import pytest

from tidemill_local.modelserver.saved_model import SavedModel
from tidemill_local.modelserver.servable import Servable


def servable(*, may_block_loop: bool = True) -> Servable:
    model = SavedModel(definitions={}, signatures={}, close=lambda: None)
    return Servable("m", 1, model, threads=1, may_block_loop=may_block_loop)


def thread_after(_servable: Servable, seconds: float) -> str:
    """Work for as long; wait for as long where it is below 0."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    time.sleep(max(0, -seconds))
    return threading.current_thread().name


async def threads(version: Servable, seconds: list[float]) -> list[str]:
    return [await version.answer(thread_after, each) for each in seconds]


def test_a_version_that_has_been_quick_answers_in_the_loop() -> None:
    version = servable()

    found = asyncio.run(threads(version, [0] * 200))

    assert found[0].startswith("m-1")
    assert found[-1] == threading.main_thread().name


def test_one_slow_answer_sends_the_next_ones_to_the_lane() -> None:
    version = servable()

    found = asyncio.run(threads(version, [*[0.0] * 200, 0.05, 0]))

    assert found[200] == threading.main_thread().name
    assert found[201].startswith("m-1")


def test_an_answer_held_up_by_other_processes_changes_nothing() -> None:
    version = servable()

    found = asyncio.run(threads(version, [*[0.0] * 200, -0.05, 0]))

    assert found[201] == threading.main_thread().name


@pytest.mark.parametrize("seconds", [0.01])
def test_a_slow_version_never_blocks_the_loop(seconds: float) -> None:
    found = asyncio.run(threads(servable(), [seconds] * 60))

    assert all(name.startswith("m-1") for name in found)


def test_a_version_that_waits_for_company_stays_in_its_lane() -> None:
    found = asyncio.run(threads(servable(may_block_loop=False), [0] * 200))

    assert all(name.startswith("m-1") for name in found)


def test_requests_behind_a_waiting_one_keep_their_order() -> None:
    version, order = servable(), list[int]()

    async def ask() -> None:
        await threads(version, [0] * 200)
        version._usual_seconds = 1.0  # noqa: SLF001 - as after a slow answer
        waiting = [asyncio.create_task(version.answer(note, place)) for place in range(3)]
        await asyncio.gather(*waiting)

    def note(_version: Servable, place: int) -> None:
        order.append(place)

    asyncio.run(ask())

    assert order == [0, 1, 2]
