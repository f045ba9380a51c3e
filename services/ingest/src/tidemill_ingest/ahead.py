"""Reading on while what was read is being worked on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ITEMS_AHEAD = 2

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, none of which is None, while a thread gets the next few.

    What getting an item raises is raised in its place.
    """
    coming: deque[Future[Item | None]] = deque()
    with ThreadPoolExecutor(1) as thread:
        try:
            while True:
                while len(coming) < ITEMS_AHEAD:
                    coming.append(thread.submit(next, items, None))
                if (item := coming.popleft().result()) is None:
                    return
                yield item
        finally:
            for future in coming:
                future.cancel()
