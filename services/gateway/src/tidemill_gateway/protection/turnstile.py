"""What was refused for overload just now is refused again by its head alone, at a fraction of the cost.

At twice saturation every second request is refused: what that costs, answers lack.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from tidemill_gateway.calls import Call
from tidemill_gateway.protection.overload import Limit, Overloaded

MAX_TARGETS = 1024
# Callers repeat their headers: those of so many are known, each no longer than this.
MAX_HEADS = 1024
MAX_HEAD_BYTES = 2048
# After so long without a refusal the overload is over. Between two batches of answers there are places too.
QUIET_SECONDS = 1.0

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})(?=\r\n)", re.IGNORECASE)
# What changes the meaning of a request, or its answer: such requests are parsed.
_OTHER = re.compile(
    rb"\r\n(?:transfer-encoding|connection|expect|upgrade|origin|tidemill-request-id|[ \t])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A refusal to be repeated while there is no place, of calls like this one.

    The answer on the wire is `begin`, a request id, `end`.
    """

    refusal: Overloaded
    call: Call
    begin: bytes
    end: bytes


class Turnstile:
    """The last refusals, by target. Lives in one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns: dict[bytes, Turn] = {}
        self._expecting: list[Limit] = []
        self._last = 0.0

    @property
    def is_shut(self) -> bool:
        """Say whether there may be a refusal for somebody."""
        return bool(self._turns)

    def keep(self, target: bytes, turn: Turn) -> None:
        """Remember a refusal."""
        if len(self._turns) >= MAX_TARGETS:
            self._turns.clear()
        self._turns[target] = turn
        self._last = self._clock()

    def turn(self, target: bytes) -> Turn | None:
        """Return the refusal for a target; None when it may go on, and then a place is expected to be taken.

        Requests that come at the same time take their places later than all of them are asked about here.
        """
        turn = self._turns.get(target)
        if turn is None:
            return None
        limit = turn.refusal.limit
        if limit.is_full:
            self._last = self._clock()
            return turn
        self._expect(limit)
        if self._clock() - self._last > QUIET_SECONDS:
            self._turns.clear()
        return None

    def _expect(self, limit: Limit) -> None:
        limit.expected += 1
        if not self._expecting:
            asyncio.get_running_loop().call_soon(self._expect_none)
        self._expecting.append(limit)

    def _expect_none(self) -> None:
        for limit in self._expecting:
            limit.expected = 0
        self._expecting.clear()


def plain_target(data: bytes) -> bytes | None:
    """Return the target of a POST over HTTP/1.1 that is all of the data, None for anything less plain."""
    head_end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    plain = _plain_head(data[: head_end + 2]) if head_end > 0 else None
    if plain is None:
        return None
    target, body_bytes = plain
    return target if body_bytes == len(data) - head_end - 4 else None


@lru_cache(MAX_HEADS)
def _plain_head(head: bytes) -> tuple[bytes, int] | None:
    line_end = head.find(b"\r\n")
    if not head.startswith(b"POST /") or head[line_end - 9 : line_end] != b" HTTP/1.1":
        return None
    lengths = _LENGTH.findall(head, line_end)
    if len(lengths) != 1 or _OTHER.search(head, line_end):
        return None
    return head[5 : line_end - 9], int(lengths[0])
