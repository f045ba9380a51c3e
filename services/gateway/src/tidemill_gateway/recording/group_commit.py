"""Much feedback, few durable writes: what comes within a moment is stored as one object."""

import asyncio
import time
from dataclasses import dataclass, field

from tidemill_contracts import layout
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.metrics import FEEDBACK
from tidemill_gateway.recording.bucket import Bucket, Threads
from tidemill_runtime.logs import get_logger

GATHER_SECONDS = 0.02
GROUP_BYTES = 1 << 20
WRITES_AT_ONCE = 4
# Of all that was not answered yet.
MAX_BYTES_IN_HAND = 8 << 20
RETRY_AFTER_SECONDS = 1.0


@dataclass(eq=False)
class Group:
    """Lines that will be stored together; `stored` is done when they are, or could not be."""

    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    stored: "asyncio.Task[None] | None" = None


class FeedbackWriter:
    """Stores feedback. Everything happens on one event loop but for the writing itself."""

    def __init__(self, bucket: Bucket, gateway: str) -> None:
        """Prepare; `gateway` tells this process from others."""
        self._bucket = bucket
        self._gateway = gateway
        self._threads = Threads("feedback", WRITES_AT_ONCE)
        self._gathering: dict[str, Group] = {}
        self._bytes_in_hand = 0
        self._files = 0

    async def write(self, model: str, lines: list[bytes], deadline: float) -> None:
        """Return when the lines are durable; raises Refused when they are not, or may not be, by `deadline`.

        Lines sent again are told apart by what they are about, so a caller may always try again.
        """
        size_bytes = sum(map(len, lines))
        if self._bytes_in_hand + size_bytes > MAX_BYTES_IN_HAND:
            raise Refused(Code.UNAVAILABLE, "Too much feedback waits to be stored", RETRY_AFTER_SECONDS)
        stored = self._join(model, lines, size_bytes)
        try:
            async with asyncio.timeout_at(deadline):
                # A caller who goes away must not take the others' feedback along.
                await asyncio.shield(stored)
        except TimeoutError:
            raise Refused(
                Code.DEADLINE_EXCEEDED, "Feedback was not stored in time; it may be sent again"
            ) from None
        except Exception as error:
            get_logger().warning("feedback-not-stored", error=repr(error))
            raise Refused(
                Code.UNAVAILABLE, "Feedback could not be stored; send it again", RETRY_AFTER_SECONDS
            ) from error
        FEEDBACK.inc(len(lines))

    def _join(self, model: str, lines: list[bytes], size_bytes: int) -> "asyncio.Task[None]":
        group = self._gathering.get(model)
        if group is None or group.size_bytes + size_bytes > GROUP_BYTES:
            group = self._gathering[model] = Group()
            group.stored = asyncio.create_task(self._store(model, group))
            # Everyone who waits may have gone; then nobody else looks at how it ended.
            group.stored.add_done_callback(lambda task: task.cancelled() or task.exception())
        group.lines += lines
        group.size_bytes += size_bytes
        self._bytes_in_hand += size_bytes
        assert group.stored is not None  # noqa: S101 - begun above
        return group.stored

    async def _store(self, model: str, group: Group) -> None:
        try:
            await asyncio.sleep(GATHER_SECONDS)
            if self._gathering.get(model) is group:
                del self._gathering[model]
            name, content = self._name(model), b"".join(group.lines)
            await asyncio.wrap_future(self._threads.submit(lambda: self._bucket.create(name, content)))
        finally:
            self._bytes_in_hand -= group.size_bytes

    def _name(self, model: str) -> str:
        self._files += 1
        now_ms = time.time_ns() // 1_000_000
        file = f"{now_ms:013d}-{self._gateway}-{self._files}.jsonl"
        return layout.feedback(model, layout.hour_of(now_ms), file)
