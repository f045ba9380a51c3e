"""Bodies are bounded before they are unpacked."""

import gzip
import tracemalloc

import pytest

from tidemill_gateway.bodies import ArrivingBody, BodyMemory, BodyTooLarge, unpacked
from tidemill_gateway.errors import Code, Refused


def test_a_gzip_bomb_takes_no_more_memory_than_the_limit_allows() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        unpacked(bomb, {b"content-encoding": b"gzip"}, 100_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("behind", [gzip.compress(b"2"), b"2"], ids=["another member", "other bytes"])
def test_nothing_behind_a_packed_body_is_passed_over(behind: bytes) -> None:
    with pytest.raises(Refused) as refused:
        unpacked(gzip.compress(b"1") + behind, {b"content-encoding": b"gzip"}, 100)

    assert refused.value.code is Code.INVALID_ARGUMENT


def test_what_bodies_are_unpacked_to_is_bounded_together() -> None:
    memory = BodyMemory(1_000_000)
    first, second = ArrivingBody(10_000_000, memory), ArrivingBody(10_000_000, memory)

    first.hold(900_000)
    with pytest.raises(Refused) as refused:
        second.hold(200_000)
    first.release()
    second.hold(200_000)

    assert refused.value.code is Code.UNAVAILABLE
    assert memory.free_bytes == 800_000
