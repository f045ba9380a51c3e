"""Bodies are bounded before they are unpacked."""

import gzip
import tracemalloc

import pytest

from tidemill_gateway.bodies import BodyTooLarge, unpacked


def test_a_gzip_bomb_takes_no_more_memory_than_the_limit_allows() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        unpacked(bomb, {b"content-encoding": b"gzip"}, 100_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000_000
