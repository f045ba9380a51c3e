"""Bodies are bounded before they are unpacked."""

import gzip
import tracemalloc

import pytest
from starlette.types import Message

from tidemill_gateway.bodies import BodyTooLarge, read_body


async def test_a_gzip_bomb_takes_no_more_memory_than_the_limit_allows() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def receive() -> Message:
        return {"type": "http.request", "body": bomb, "more_body": False}

    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        await read_body(receive, {b"content-encoding": b"gzip"}, 100_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000_000
