"""Many small requests, few durable writes: requests of one moment are stored as one segment."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from tidemill_ingest.pending import Overloaded, Pending
from tidemill_ingest.segments import Sent, new_segment
from tidemill_runtime.objects import ObjectStore

GATHER_SECONDS = 0.004
GROUP_BYTES = 4 << 20
GROUP_REQUESTS = 1000
# While these are under way the next group gathers what comes: slow writes make for large groups.
WRITES_AT_ONCE = 4
# Of all requests that were begun and not answered; as Python objects they take several times as much.
MAX_BYTES_IN_HAND = 32 << 20


class Group:
    """Requests that will be stored together; `stored` is done when they are, or could not be."""

    stored: asyncio.Task[None]

    def __init__(self) -> None:
        self.requests: list[tuple[Sent, bytes]] = []
        self.size_bytes = 0

    @property
    def is_full(self) -> bool:
        return self.size_bytes >= GROUP_BYTES or len(self.requests) >= GROUP_REQUESTS


class RecordWriter:
    """Stores what requests bring. Everything happens on one event loop."""

    def __init__(self, store: ObjectStore, pending: Pending) -> None:
        self._store = store
        self._pending = pending
        self._gathering: dict[str, Group] = {}
        self._writes: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(WRITES_AT_ONCE)
        )
        self._bytes_in_hand = 0

    @contextmanager
    def admit(self, pipeline: str) -> Iterator[Callable[[int], None]]:
        """Let a request in while the block runs; yield what it tells how many more bytes it holds.

        Both raise Overloaded when there is no room.
        """
        self._pending.check(pipeline)
        held = 0

        def hold(size_bytes: int) -> None:
            nonlocal held
            if self._bytes_in_hand + size_bytes > MAX_BYTES_IN_HAND:
                raise Overloaded(f"expected room for {size_bytes} bytes, {self._bytes_in_hand} are in hand")
            self._bytes_in_hand += size_bytes
            held += size_bytes

        try:
            yield hold
        finally:
            self._bytes_in_hand -= held

    async def write(self, pipeline: str, sent: Sent, body: bytes) -> None:
        """Return when the records are durable; raise what the bucket raised when they are not."""
        group = self._gathering.get(pipeline)
        if group is None or group.is_full:
            group = self._gathering[pipeline] = Group()
            group.stored = asyncio.create_task(self._store_group(pipeline, group))
        group.requests.append((sent, body))
        group.size_bytes += sent.size_bytes
        # A client that goes away must not take the others' records with it.
        await asyncio.shield(group.stored)

    async def _store_group(self, pipeline: str, group: Group) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        async with self._writes[pipeline]:
            if self._gathering.get(pipeline) is group:
                del self._gathering[pipeline]
            name, content = new_segment(pipeline, group.requests)
            await run_in_threadpool(self._store.create, name, content)
        self._pending.add(pipeline, group.size_bytes)
