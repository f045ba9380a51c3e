"""Answers kept for a while, for models whose route says so; those who ask the same at once share one call.

Kept are outputs, whatever protocol asked for them, by the version that gave them and by every byte of its
inputs: an answer is never another version's, signature's or input's. What fails is kept for nobody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from tidemill_contracts.observing import sound
from tidemill_gateway.calls import Arrays, Call, Part, size_bytes
from tidemill_gateway.errors import late
from tidemill_gateway.metrics import CACHE_BYTES, CACHE_REQUESTS
from tidemill_gateway.routes import Target

HIT = "hit"
# What an entry costs beside its numbers.
ENTRY_BYTES = 1024

Ask = Callable[[], Awaitable[tuple[Arrays, Part]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer; `expires_at` is of the loop's clock."""

    outputs: Arrays
    size_bytes: int
    expires_at: float


class Cache:
    """Keeps up to `max_bytes` of answers; those that were asked for longest ago go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Arrays | None]] = {}

    async def outputs(self, call: Call, key: bytes, seconds: float, ask: Ask) -> tuple[Arrays, Part | None]:
        """Return the answer that is kept or on its way, else one that is asked for now; raises Refused.

        There is no part where another request's answer was good enough.
        """
        known = self._kept(key)
        if known is None and key in self._under_way:
            known = await self._awaited(self._under_way[key], call)
            if known is None:
                return await ask()
        CACHE_REQUESTS.labels(call.model, "miss" if known is None else HIT).inc()
        if known is not None:
            call.cache = HIT
            return known, None
        return await self._lead(key, seconds, ask)

    async def _lead(self, key: bytes, seconds: float, ask: Ask) -> tuple[Arrays, Part]:
        loop = asyncio.get_running_loop()
        answer = self._under_way[key] = loop.create_future()
        try:
            outputs, part = await ask()
            # Rows of a joined call are views of all its rows.
            own = {name: array.copy() for name, array in outputs.items()}
            if sound(own):
                self._keep(key, Entry(own, ENTRY_BYTES + size_bytes(own), loop.time() + seconds))
                answer.set_result(own)
        finally:
            del self._under_way[key]
            if not answer.done():
                answer.set_result(None)
        return own, part

    async def _awaited(self, answer: asyncio.Future[Arrays | None], call: Call) -> Arrays | None:
        try:
            async with asyncio.timeout_at(call.deadline):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise late(call.model) from None

    def _kept(self, key: bytes) -> Arrays | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= asyncio.get_running_loop().time():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.outputs

    def _keep(self, key: bytes, entry: Entry) -> None:
        if entry.size_bytes > self._max_bytes:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = entry
        self._size_bytes += entry.size_bytes
        while self._size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
        CACHE_BYTES.set(self._size_bytes)

    def _drop(self, key: bytes) -> None:
        self._size_bytes -= self._entries.pop(key).size_bytes


def question_key(target: Target, signature: str, inputs: Arrays) -> bytes:
    """Return what stands for a question; strings are the same as `str` and as `bytes`."""
    digest = blake2b(repr((target, signature)).encode(), digest_size=32)
    for name in sorted(inputs):
        array = inputs[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        if array.dtype.hasobject:
            for item in array.ravel().tolist():
                text = item.encode() if isinstance(item, str) else item
                digest.update(b"%d:%b" % (len(text), text))
        else:
            digest.update(array.tobytes())
    return digest.digest()
