"""Who answers a call: the version that is chosen for it, the one that replaces it meanwhile, or a spare."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from tidemill_contracts.observing import sound
from tidemill_gateway import metrics
from tidemill_gateway.calls import Call, Part
from tidemill_gateway.errors import FAULTS, Code, Refused
from tidemill_gateway.releasing.choices import ANSWER, PREVIOUS, Choice, Spare, Subject
from tidemill_gateway.releasing.choosing import Chooser, version_label
from tidemill_gateway.releasing.observations import Observations
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import EXPLAIN_SIGNATURE

Answer = TypeVar("Answer")
# What a version answers, with its tensors where it was a Predict.
Ask = Callable[[Target], Awaitable[tuple[Answer, Part | None]]]

# A version may be unloaded a moment before the table that replaces it arrives here.
SWITCH_SECONDS = 1.0
# Of a request's time the version that is asked first has half, where another may have to be asked; the static
# answer needs next to none.
FIRST_SHARE = {PREVIOUS: 0.5, ANSWER: 0.95}


class Watcher(Protocol):
    """Is told of every version that was asked for an answer, after it gave one or failed."""

    def finished(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        """Take note; must not block. `part` is None for failures, and for what has no tensors.

        Where `call.fallback` is `answer` no version was asked: the target gives the static answer.
        """


class Answering:
    """Has calls answered, by whom the chooser says."""

    def __init__(
        self,
        book: RouteBook,
        chooser: Chooser,
        observations: Observations,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._book = book
        self._chooser = chooser
        self._observations = observations
        self._watchers = watchers

    def choose(self, call: Call) -> Choice:
        """Return who answers, and fill it in; raises Refused."""
        choice = self._chooser.choose(call)
        call.model, call.version, call.variant = choice.target.model, choice.version, choice.variant
        passed_over = choice.instead_of
        if passed_over is not None and passed_over.subject is not None:
            call.fallback = passed_over.spares[0].name
            self._observations.of(passed_over.subject).diverted += 1
            metrics.DIVERTED.labels(call.model, passed_over.version).inc()
        return choice

    async def answer(self, call: Call, ask: Ask[Answer]) -> Answer:
        """Return the answer; raises Refused when nobody gives one."""
        choice = self.choose(call)
        if choice.spares:
            return await self._answer_insured(call, choice, ask)
        return await self._ask(call, choice, ask)

    async def _answer_insured(self, call: Call, choice: Choice, ask: Ask[Answer]) -> Answer:
        deadline, now = call.deadline, _now()
        call.deadline = now + (deadline - now) * FIRST_SHARE[choice.spares[0].name]
        try:
            answer = await self._ask(call, choice, ask)
        except Refused as refusal:
            if not choice.is_trial and refusal.code not in FAULTS:
                raise
            call.deadline = deadline
            return await self._answer_instead(call, choice, ask, refusal)
        if choice.breaker is not None:
            choice.breaker.record(failed=False)
        return answer

    async def _answer_instead(self, call: Call, choice: Choice, ask: Ask[Answer], refusal: Refused) -> Answer:
        for spare in choice.spares:
            if not _can_help(spare, choice, refusal):
                continue
            try:
                answer, part = await self._ask_spare(call, spare, ask)
            except Refused as error:
                if error.code not in FAULTS:
                    # Whoever is asked refuses it: the request is wrong.
                    raise
            else:
                self._blame(choice, refusal, part)
                return answer
        if isinstance(refusal, _Unsound):
            given: Answer = refusal.answer
            return given
        raise refusal

    async def _ask(self, call: Call, choice: Choice, ask: Ask[Answer]) -> Answer:
        try:
            answer, part, seconds = await self._watched(call, choice.target, ask)
        except Refused as refusal:
            if choice.subject is not None and refusal.code in FAULTS:
                self._observations.count(choice.subject, refusal.code)
            if not _is_gone(refusal) or call.ref.version is not None:
                raise
            return await self._ask_successor(call, choice.target, ask, refusal)
        is_sound = choice.subject is None or self._observe(call, choice, choice.subject, seconds, part)
        if choice.is_trial and choice.spares and not is_sound:
            raise _Unsound(answer)
        return answer

    def _observe(
        self, call: Call, choice: Choice, subject: Subject, seconds: float, part: Part | None
    ) -> bool:
        """Count an answer; return whether it is sound. The cache's are no work of the version."""
        if call.cache:
            return True
        if call.signature == EXPLAIN_SIGNATURE:
            self._observations.count(subject, Code.OK)
            return True
        if part is not None:
            for mirror in choice.mirrors:
                mirror.reflect(call.signature, part)
        return self._observations.answered(subject, seconds, part)

    async def _ask_spare(self, call: Call, spare: Spare, ask: Ask[Answer]) -> tuple[Answer, Part | None]:
        asked_first = call.version, call.variant
        call.version, call.variant, call.fallback = version_label(spare), spare.variant, spare.name
        try:
            answer, part, _ = await self._watched(call, spare.target, ask)
        except Refused as refusal:
            metrics.FALLBACKS.labels(call.model, spare.name, refusal.code.value).inc()
            (call.version, call.variant), call.fallback = asked_first, ""
            raise
        metrics.FALLBACKS.labels(call.model, spare.name, Code.OK.value).inc()
        return answer, part

    def _blame(self, choice: Choice, refusal: Refused, part: Part | None) -> None:
        """Count as the version's fault what another one could answer."""
        if isinstance(refusal, _Unsound):
            if part is not None and not sound(part.rows_of(part.outputs)):
                return
        elif refusal.code not in FAULTS and choice.subject is not None:
            self._observations.count(choice.subject, Code.INTERNAL)
        if choice.breaker is not None:
            choice.breaker.record(failed=True)

    async def _watched(
        self, call: Call, target: Target, ask: Ask[Answer]
    ) -> tuple[Answer, Part | None, float]:
        """Ask a version, and tell the watchers; return the answer, its tensors and the seconds it took."""
        begin = _now()
        try:
            answer, part = await ask(target)
        except Refused as refusal:
            self._tell(call, target, refusal.code, _now() - begin, None)
            raise
        seconds = _now() - begin
        self._tell(call, target, Code.OK, seconds, part)
        return answer, part, seconds

    def _tell(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        for watcher in self._watchers:
            watcher.finished(call, target, code, seconds, part)

    async def _ask_successor(self, call: Call, target: Target, ask: Ask[Answer], refusal: Refused) -> Answer:
        patience_seconds = min(SWITCH_SECONDS, call.deadline - _now())
        successor = await self._book.wait_for_other(call.ref, target, patience_seconds)
        if successor is None:
            # The route says that it is loaded: a model server that restarted has not got it back yet.
            message = f"Model server of {target.model} is restarting"
            raise Refused(Code.UNAVAILABLE, message) from refusal
        call.version, call.variant = str(successor.version), ""
        answer, _, _ = await self._watched(call, successor, ask)
        return answer


class _Unsound(Refused):
    """A version on trial answered with NaN or infinity, which another one may not."""

    def __init__(self, answer: Any) -> None:
        super().__init__(Code.OK, "The answer is not a finite number")
        self.answer = answer


def _can_help(spare: Spare, choice: Choice, refusal: Refused) -> bool:
    # What cannot be reached has no other version to ask either.
    return refusal.code is not Code.UNAVAILABLE or spare.target.address != choice.target.address


def _is_gone(refusal: Refused) -> bool:
    return refusal.code is Code.NOT_FOUND and refusal.message.startswith("Servable not found")


def _now() -> float:
    return asyncio.get_running_loop().time()
