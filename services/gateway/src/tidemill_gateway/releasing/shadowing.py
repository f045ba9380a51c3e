"""Asks a version on the side what a live one answered, and compares. Nobody waits for it."""

import asyncio
from collections import deque
from weakref import WeakValueDictionary

from tidemill_gateway import metrics
from tidemill_gateway.calls import Arrays, Part, size_bytes
from tidemill_gateway.errors import FAULTS, Code, Refused
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.releasing.choices import Subject
from tidemill_gateway.releasing.observations import Compared, Observations
from tidemill_gateway.routes import Target

SHADOW_SECONDS = 2.0
# A call that was given up may hold a thread of the model server for ever: there must not be many.
REST_SECONDS = (1.0, 60.0)
MAX_WAITING = 32
MAX_WAITING_BYTES = 32 * 2**20


class Shadows:
    """Every shadow version that is being asked."""

    def __init__(self, servers: ModelServers, observations: Observations) -> None:
        self._servers = servers
        self._observations = observations
        self._asking: set[asyncio.Task[None]] = set()
        self._known: WeakValueDictionary[tuple[Target, Subject], Shadow] = WeakValueDictionary()

    def of(self, target: Target, subject: Subject) -> "Shadow":
        """Return the shadow that a route names: the same, with what waits for it, while the route changes."""
        shadow = self._known.get((target, subject))
        if shadow is None:
            shadow = Shadow(target, subject, self._servers, self._observations, self._asking)
            self._known[target, subject] = shadow
        return shadow

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)


class Shadow:
    """One shadow version. It is asked one call at a time; what comes when too many wait is skipped."""

    def __init__(
        self,
        target: Target,
        subject: Subject,
        servers: ModelServers,
        observations: Observations,
        asking: set[asyncio.Task[None]],
    ) -> None:
        self._target = target
        self._subject = subject
        self._servers = servers
        self._observations = observations
        self._waiting: deque[tuple[str, Part, int]] = deque()
        self._waiting_bytes = 0
        self._last: Arrays | None = None
        self._asking = asking
        self._is_asking = False
        self._rest_seconds = 0.0

    def reflect(self, signature: str, part: Part) -> None:
        """Take a call that was answered, once, however many requests it answered."""
        if part.outputs is self._last:
            return
        self._last = part.outputs
        part_bytes = size_bytes(part.inputs, part.outputs)
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes + part_bytes > MAX_WAITING_BYTES:
            self._compared().skipped += 1
            self._count("skipped")
            return
        self._waiting.append((signature, part, part_bytes))
        self._waiting_bytes += part_bytes
        if not self._is_asking:
            self._is_asking = True
            task = asyncio.create_task(self._ask_all())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                signature, part, part_bytes = self._waiting.popleft()
                self._waiting_bytes -= part_bytes
                await self._ask(signature, part)
        finally:
            self._is_asking = False

    async def _ask(self, signature: str, part: Part) -> None:
        clock = asyncio.get_running_loop().time
        begin = clock()
        try:
            async with asyncio.timeout(SHADOW_SECONDS):
                answer = await self._servers.predict(
                    self._target, signature, part.inputs, timeout_seconds=SHADOW_SECONDS
                )
        except (Refused, TimeoutError) as error:
            await self._fail(Code.DEADLINE_EXCEEDED if isinstance(error, TimeoutError) else error.code)
            return
        seconds = clock() - begin
        self._rest_seconds = 0.0
        self._observations.answered(self._subject, seconds, Part(part.inputs, answer, seconds=seconds))
        self._compared().add(part.outputs, answer, seconds - part.seconds)
        self._count("compared")

    async def _fail(self, code: Code) -> None:
        # Another version answered it: what looks like a fault of the caller is none.
        self._observations.count(self._subject, code if code in FAULTS else Code.INTERNAL)
        self._compared().failures += 1
        self._count("failed")
        if code is Code.DEADLINE_EXCEEDED:
            least, most = REST_SECONDS
            self._rest_seconds = min(max(least, 2 * self._rest_seconds), most)
            await asyncio.sleep(self._rest_seconds)

    def _compared(self) -> Compared:
        seen = self._observations.of(self._subject)
        if seen.compared is None:
            seen.compared = Compared()
        return seen.compared

    def _count(self, outcome: str) -> None:
        metrics.SHADOW_CALLS.labels(self._subject.model, str(self._subject.version), outcome).inc()
