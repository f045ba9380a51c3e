"""Requests that wait at the same time are asked together, in one call of the model; one alone at once.

A call leaves as soon as the loop has read what lies in the sockets. While it is on its way a second one for
the same version and signature leaves once as many requests wait as the first one took, or have waited for
5 ms: a call costs as much as dozens of rows, and small ones would follow each other for ever. All that comes
later is the next call.
A call whose requests do not fit together is taken apart again, so that one never spoils another's answer.
Rows must not depend on each other: the same condition as for TensorFlow Serving's own batching.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tidemill_gateway.calls import Arrays, Call, Metadata, Part
from tidemill_gateway.errors import Code, Refused, late
from tidemill_gateway.expiring import Expiry
from tidemill_gateway.joining import Form, bounds
from tidemill_gateway.metrics import REQUESTS_PER_CALL
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.routes import Target
from tidemill_gateway.signatures import Signature

CALLS_AT_ONCE = 2
PATIENCE_SECONDS = 0.005
# What another request may have done to it; other refusals are about the model server.
_PERHAPS_ANOTHERS_FAULT = frozenset({Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN, Code.OUT_OF_RANGE})
MAX_KNOWN_APART = 1024

Content = TypeVar("Content")
Answer = TypeVar("Answer")
Key = tuple[Target, str, Form[Any, Any]]


@dataclass(eq=False, slots=True)
class Joined:
    """A call on its way, and how many wait for it."""

    task: asyncio.Task[None]
    waiting: int

    def leave(self) -> None:
        """Wait no longer; a call that nobody waits for is ended."""
        self.waiting -= 1
        if not self.waiting:
            self.task.cancel()


@dataclass(eq=False, slots=True)
class Waiting:
    """One request of `size` rows. `alone` asks without company; `deadline` is of the loop's clock."""

    content: Any
    size: int
    deadline: float
    metadata: Metadata
    alone: Callable[[], Awaitable[tuple[Any, Part]]]
    answer: "asyncio.Future[tuple[Any, Part]]"
    joined: Joined | None = None

    def leave(self) -> None:
        """Wait no longer."""
        if self.joined is not None:
            self.joined.leave()


@dataclass(eq=False)
class Lane:
    """What waits for one version and signature of a model, in one form, and how much is on its way."""

    key: Key
    signature: Signature
    waiting: deque[Waiting] = field(default_factory=deque)
    calls: int = 0
    under_way: int = 0
    patient_until: float = 0.0
    is_scheduled: bool = False
    timer: asyncio.TimerHandle | None = None

    def may_send(self, now: float) -> bool:
        """Say whether a call may leave now."""
        if not self.waiting or self.calls >= CALLS_AT_ONCE:
            return False
        return len(self.waiting) >= self.under_way or now >= self.patient_until


class Coalescer:
    """Joins requests for the same version and signature of a model."""

    def __init__(self, servers: ModelServers, max_rows: int) -> None:
        """Join up to `max_rows` rows in a call; requests with more than an eighth of it stay alone."""
        self._servers = servers
        self._max_rows = max_rows
        self._lanes: dict[Key, Lane] = {}
        self._apart: dict[Key, None] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._expiry = Expiry()

    async def predict(
        self,
        call: Call,
        target: Target,
        signature: Signature,
        form: Form[Content, Answer],
        content: Content,
        *,
        alone: Callable[[], Awaitable[tuple[Answer, Part]]],
    ) -> tuple[Answer, Part]:
        """Return the answer and the tensors behind it; raises Refused."""
        key = target, signature.name, form
        size = form.size(content)
        if size is None or size * 8 > self._max_rows or key in self._apart:
            return await alone()
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, signature)
        answer = asyncio.get_running_loop().create_future()
        waiting = Waiting(content, size, call.deadline, call.metadata, alone, answer)
        lane.waiting.append(waiting)
        self._schedule(lane)
        self._expiry.add(answer, call.deadline)
        try:
            told: tuple[Answer, Part] = await answer
        except asyncio.CancelledError:
            waiting.leave()
            raise
        except TimeoutError:
            waiting.leave()
            raise late(target.model) from None
        finally:
            self._expiry.discard(answer)
        return told

    async def close(self) -> None:
        """End every call."""
        self._expiry.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _schedule(self, lane: Lane) -> None:
        if not lane.is_scheduled and lane.waiting and lane.calls < CALLS_AT_ONCE:
            lane.is_scheduled = True
            asyncio.get_running_loop().call_soon(self._send, lane)

    def _send(self, lane: Lane) -> None:
        loop = asyncio.get_running_loop()
        lane.is_scheduled = False
        while lane.may_send(loop.time()):
            members = self._next(lane)
            lane.calls += 1
            lane.under_way += len(members)
            lane.patient_until = loop.time() + PATIENCE_SECONDS
            task = asyncio.create_task(self._call(lane, members))
            joined = Joined(task, len(members))
            for member in members:
                member.joined = joined
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if lane.waiting and lane.calls < CALLS_AT_ONCE and lane.timer is None:
            lane.timer = loop.call_at(lane.patient_until, self._look_again, lane)

    def _look_again(self, lane: Lane) -> None:
        lane.timer = None
        self._schedule(lane)

    def _next(self, lane: Lane) -> list[Waiting]:
        rows, members = 0, []
        while lane.waiting and rows + lane.waiting[0].size <= self._max_rows:
            waiting = lane.waiting.popleft()
            if not waiting.answer.done():
                rows += waiting.size
                members.append(waiting)
        return members

    async def _call(self, lane: Lane, members: Sequence[Waiting]) -> None:
        try:
            if members:
                REQUESTS_PER_CALL.observe(len(members))
                await self._answer(lane, members)
        except asyncio.CancelledError:
            _fail(members, Refused(Code.UNAVAILABLE, "The gateway is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            _fail(members, error)
        finally:
            lane.calls -= 1
            lane.under_way -= len(members)
            self._schedule(lane)
            if not lane.waiting and not lane.calls:
                self._lanes.pop(lane.key, None)

    async def _answer(self, lane: Lane, members: Sequence[Waiting]) -> None:
        told, inputs = None, None
        try:
            inputs = lane.key[2].join([member.content for member in members], lane.signature)
            if inputs is not None:
                told = await self._ask(lane, members, inputs)
        except Refused as refusal:
            if len(members) == 1 or refusal.code not in _PERHAPS_ANOTHERS_FAULT:
                raise
        if told is None:
            await self._take_apart(lane, members, were_joined=inputs is not None)
            return
        for member, one in zip(members, told, strict=True):
            if not member.answer.done():
                member.answer.set_result(one)

    async def _ask(
        self, lane: Lane, members: Sequence[Waiting], inputs: Arrays
    ) -> list[tuple[Any, Part]] | None:
        """Return everyone's answer; None if the outputs cannot be divided."""
        target, signature, form = lane.key
        begin = asyncio.get_running_loop().time()
        outputs: Arrays = await self._servers.predict(
            target,
            signature,
            inputs,
            timeout_seconds=max(member.deadline for member in members) - begin,
            metadata=_joined([member.metadata for member in members]),
        )
        seconds = asyncio.get_running_loop().time() - begin
        sizes = [member.size for member in members]
        answers = form.divide(outputs, sizes)
        if answers is None:
            return None
        return [
            (answer, Part(inputs, outputs, first, last, seconds))
            for answer, (first, last) in zip(answers, bounds(sizes), strict=True)
        ]

    async def _take_apart(self, lane: Lane, members: Sequence[Waiting], *, were_joined: bool) -> None:
        answers = await asyncio.gather(*(member.alone() for member in members), return_exceptions=True)
        for member, answer in zip(members, answers, strict=True):
            if member.answer.done():
                continue
            if isinstance(answer, BaseException):
                member.answer.set_exception(answer)
            else:
                member.answer.set_result(answer)
        failed = any(isinstance(answer, BaseException) for answer in answers)
        if were_joined and len(members) > 1 and not failed:
            # No request was at fault: the model does not take several.
            if len(self._apart) >= MAX_KNOWN_APART:
                del self._apart[next(iter(self._apart))]
            self._apart[lane.key] = None


def _joined(metadata: Sequence[Metadata]) -> Metadata:
    """Return what goes on with a call: what all its requests brought."""
    if len(metadata) == 1:
        return metadata[0]
    return [pair for one in metadata if one for pair in one]


def _fail(members: Sequence[Waiting], error: Exception) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(error)
