"""Who answers a call: the version that is chosen for it, the one that replaces it meanwhile, or a spare."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from tidemill_gateway.calls import Call, Choice, Part
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.routes import RouteBook, Target

Answer = TypeVar("Answer")
# What a version answers, with its tensors where it was a Predict.
Ask = Callable[[Target], Awaitable[tuple[Answer, Part | None]]]

# A version may be unloaded a moment before the table that replaces it arrives here.
SWITCH_SECONDS = 1.0


class Watcher(Protocol):
    """Is told of every version that was asked for an answer, after it gave one or failed."""

    def finished(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        """Take note; must not block. `part` is None for failures, and for what has no tensors."""


class Answering:
    """Chooses who answers, by the route book."""

    def __init__(self, book: RouteBook, watchers: Sequence[Watcher] = ()) -> None:
        self._book = book
        self._watchers = watchers

    async def answer(self, call: Call, ask: Ask[Answer]) -> Answer:
        """Return the answer; raises Refused when nobody gives one."""
        choice = self._choose(call)
        call.model, call.version, call.variant = (
            choice.target.model,
            str(choice.target.version),
            choice.variant,
        )
        try:
            return await self._watched(call, choice.target, ask)
        except Refused as refusal:
            if call.ref.version is not None or not _is_gone(refusal):
                raise
            successor = await self._successor(call, choice.target, refusal)
        call.version = str(successor.version)
        return await self._watched(call, successor, ask)

    def _choose(self, call: Call) -> Choice:
        return Choice(self._book.resolve(call.ref))

    async def _watched(self, call: Call, target: Target, ask: Ask[Answer]) -> Answer:
        begin = _now()
        try:
            answer, part = await ask(target)
        except Refused as refusal:
            self._tell(call, target, refusal.code, _now() - begin, None)
            raise
        self._tell(call, target, Code.OK, _now() - begin, part)
        return answer

    def _tell(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        for watcher in self._watchers:
            watcher.finished(call, target, code, seconds, part)

    async def _successor(self, call: Call, target: Target, refusal: Refused) -> Target:
        patience_seconds = min(SWITCH_SECONDS, call.deadline - _now())
        successor = await self._book.wait_for_other(call.ref, target, patience_seconds)
        if successor is None:
            # The route says that it is loaded: a model server that restarted has not got it back yet.
            message = f"Model server of {target.model} is restarting"
            raise Refused(Code.UNAVAILABLE, message) from refusal
        return successor


def _is_gone(refusal: Refused) -> bool:
    return refusal.code is Code.NOT_FOUND and refusal.message.startswith("Servable not found")


def _now() -> float:
    return asyncio.get_running_loop().time()
