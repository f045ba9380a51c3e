"""Requests that wait at the same time are asked together, in one call of the model; one alone at once.

Nothing waits for company: a request is sent as soon as the loop has read what lies in the sockets, unless
calls for the same version and signature are on their way already; then all that comes meanwhile is the next
call. A call whose rows do not fit together is taken apart again, so that one request never spoils another's
answer. Rows must not depend on each other: the same condition as for TensorFlow Serving's own batching.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tidemill_gateway.calls import Arrays, Metadata, Part
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.metrics import REQUESTS_PER_CALL
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.predict_request import read_rows
from tidemill_gateway.predict_response import predictions_text, row_texts
from tidemill_gateway.routes import Target
from tidemill_gateway.signatures import Signature

CALLS_AT_ONCE = 2
# What another request may have done to it; other refusals are about the model server.
_PERHAPS_ANOTHERS_FAULT = frozenset({Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN, Code.OUT_OF_RANGE})
MAX_KNOWN_APART = 1024

# The JSON of an answer, and its tensors.
Told = tuple[bytes, Part]


@dataclass(eq=False, slots=True)
class Waiting:
    """One request. `alone` asks without company; `deadline` is of the loop's clock."""

    rows: Sequence[Any]
    deadline: float
    metadata: Metadata
    alone: Callable[[], Awaitable["Told"]]
    answer: "asyncio.Future[Told]"


@dataclass(eq=False)
class Lane:
    """What waits for one version and signature of a model."""

    target: Target
    signature: Signature
    waiting: deque[Waiting] = field(default_factory=deque)
    calls: int = 0
    is_scheduled: bool = False


class Coalescer:
    """Joins requests for the same version and signature of a model."""

    def __init__(self, servers: ModelServers, max_rows: int) -> None:
        """Join up to `max_rows` rows in a call; requests with more than an eighth of it stay alone."""
        self._servers = servers
        self._max_rows = max_rows
        self._lanes: dict[tuple[Target, str], Lane] = {}
        self._apart: dict[tuple[Target, str], None] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def predict(
        self,
        target: Target,
        signature: Signature,
        rows: Sequence[Any],
        *,
        deadline: float,
        metadata: Metadata,
        alone: Callable[[], Awaitable[Told]],
    ) -> Told:
        """Return the JSON of the predictions for the rows, with their tensors; raises Refused."""
        key = target, signature.name
        if len(rows) * 8 > self._max_rows or key in self._apart:
            return await alone()
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(target, signature)
        loop = asyncio.get_running_loop()
        waiting = Waiting(rows, deadline, metadata, alone, loop.create_future())
        lane.waiting.append(waiting)
        if not lane.is_scheduled and lane.calls < CALLS_AT_ONCE:
            lane.is_scheduled = True
            loop.call_soon(self._send, lane)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting.answer
        except TimeoutError:
            message = f"Model server of {target.model} did not answer in time"
            raise Refused(Code.DEADLINE_EXCEEDED, message) from None

    async def close(self) -> None:
        """End every call."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _send(self, lane: Lane) -> None:
        lane.is_scheduled = False
        while lane.waiting and lane.calls < CALLS_AT_ONCE:
            lane.calls += 1
            task = asyncio.create_task(self._call(lane, self._next(lane)))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if not lane.waiting and not lane.calls:
            self._lanes.pop((lane.target, lane.signature.name), None)

    def _next(self, lane: Lane) -> list[Waiting]:
        rows, members = 0, []
        while lane.waiting and rows + len(lane.waiting[0].rows) <= self._max_rows:
            waiting = lane.waiting.popleft()
            if not waiting.answer.done():
                rows += len(waiting.rows)
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
            self._send(lane)

    async def _answer(self, lane: Lane, members: Sequence[Waiting]) -> None:
        try:
            told = await self._ask(lane, members)
        except Refused as refusal:
            if len(members) == 1 or refusal.code not in _PERHAPS_ANOTHERS_FAULT:
                raise
            told = None
        if told is None:
            await self._take_apart(lane, members)
            return
        texts, inputs, outputs = told
        begin = 0
        for member in members:
            end = begin + len(member.rows)
            if not member.answer.done():
                part = Part(inputs, outputs, begin, end)
                member.answer.set_result((predictions_text(texts[begin:end]), part))
            begin = end

    async def _ask(self, lane: Lane, members: Sequence[Waiting]) -> tuple[list[bytes], Arrays, Arrays] | None:
        """Return the text of each row's prediction and all tensors; None if they cannot be asked together."""
        rows = list(chain.from_iterable(member.rows for member in members))
        tensors = read_rows(rows, lane.signature)
        if tensors is None:
            return None
        now = asyncio.get_running_loop().time()
        outputs = await self._servers.predict(
            lane.target,
            lane.signature.name,
            tensors,
            timeout_seconds=max(member.deadline for member in members) - now,
            # What is about one request must not be said of another's.
            metadata=members[0].metadata if len(members) == 1 else (),
        )
        texts = row_texts(outputs, len(rows))
        return None if texts is None else (texts, tensors, outputs)

    async def _take_apart(self, lane: Lane, members: Sequence[Waiting]) -> None:
        answers = await asyncio.gather(*(member.alone() for member in members), return_exceptions=True)
        for member, answer in zip(members, answers, strict=True):
            if member.answer.done():
                continue
            if isinstance(answer, tuple):
                member.answer.set_result(answer)
            else:
                member.answer.set_exception(answer)
        if len(members) > 1 and all(isinstance(answer, tuple) for answer in answers):
            # No request was at fault: the model does not take several.
            if len(self._apart) >= MAX_KNOWN_APART:
                del self._apart[next(iter(self._apart))]
            self._apart[lane.target, lane.signature.name] = None


def _fail(members: Sequence[Waiting], error: Exception) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(error)
