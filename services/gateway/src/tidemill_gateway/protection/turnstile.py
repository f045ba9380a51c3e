"""What was refused for overload just now is refused again by its first line alone, at a fraction of the cost.

At twice saturation every second request is refused: what that costs, answers lack.
"""

import re
from dataclasses import dataclass

from tidemill_gateway.calls import Call
from tidemill_gateway.protection.overload import Overloaded

MAX_TARGETS = 1024

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
    """The last refusals, by target."""

    def __init__(self) -> None:
        self._turns: dict[bytes, Turn] = {}

    @property
    def is_shut(self) -> bool:
        """Say whether there may be a refusal for somebody."""
        return bool(self._turns)

    def keep(self, target: bytes, turn: Turn) -> None:
        """Remember a refusal."""
        if len(self._turns) >= MAX_TARGETS:
            self._turns.clear()
        self._turns[target] = turn

    def turn(self, target: bytes) -> Turn | None:
        """Return the refusal for a target, None when it may go on."""
        turn = self._turns.get(target)
        if turn is None or turn.refusal.limit.is_full:
            return turn
        if turn.refusal.limit.taken * 2 < turn.refusal.limit.limit:
            del self._turns[target]
        return None


def plain_target(data: bytes) -> bytes | None:
    """Return the target of a POST over HTTP/1.1 that is all of the data, None for anything less plain."""
    line_end, head_end = data.find(b"\r\n"), data.find(b"\r\n\r\n")
    if not data.startswith(b"POST /") or data[line_end - 9 : line_end] != b" HTTP/1.1" or head_end < 0:
        return None
    lengths = _LENGTH.findall(data, line_end, head_end + 2)
    is_whole = len(lengths) == 1 and int(lengths[0]) == len(data) - head_end - 4
    if not is_whole or _OTHER.search(data, line_end, head_end):
        return None
    return data[5 : line_end - 9]
