"""Only requests that mean the same unparsed are refused unparsed, and only while no place is free."""

import asyncio

import pytest

from tidemill_gateway.calls import Call
from tidemill_gateway.paths import NO_MODEL
from tidemill_gateway.protection.overload import Limit, Overloaded, Places
from tidemill_gateway.protection.turnstile import QUIET_SECONDS, Turn, Turnstile, plain_target

PLAIN = b"POST /v1/models/m:predict HTTP/1.1\r\nhost: x\r\nContent-Length: 4\r\n\r\nbody"


def test_a_plain_request_is_told_by_its_first_line() -> None:
    assert plain_target(PLAIN) == b"/v1/models/m:predict"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"more",
        PLAIN[:-1],
        PLAIN[:-8],
        PLAIN + PLAIN,
        b"",
        PLAIN.replace(b"POST", b"GET"),
        PLAIN.replace(b"POST", b"OPTIONS"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"host: x", b"transfer-encoding: chunked"),
        PLAIN.replace(b"host: x", b"content-length: 4"),
        PLAIN.replace(b"host: x", b"Connection: close"),
        PLAIN.replace(b"host: x", b"expect: 100-continue"),
        PLAIN.replace(b"host: x", b"origin: https://page.example"),
        PLAIN.replace(b"host: x", b"tidemill-request-id: mine"),
        PLAIN.replace(b"host: x", b"host: x\r\n content-length: 9"),
    ],
)
def test_anything_less_plain_is_parsed(data: bytes) -> None:
    assert plain_target(data) is None


class Site:
    """A turnstile that was shut for one model with two places, both free now, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limit = Limit(Places(1, 2))
        self.turnstile = Turnstile(lambda: self.now)
        refusal = Overloaded(self.limit)
        call = Call(NO_MODEL, "rest", "tensorflow", "id", 1.0, (), {})
        self.turnstile.keep(b"/m", Turn(refusal, call, b"begin", b"end"))

    def pass_through(self, count: int) -> int:
        """Let so many requests come at once; return how many may go on."""
        return sum(self.turnstile.turn(b"/m") is None for _ in range(count))


async def test_of_requests_that_come_at_once_as_many_go_on_as_there_are_places() -> None:
    site = Site()

    passed = site.pass_through(5)

    assert passed == 2


async def test_a_place_that_nobody_took_is_offered_again() -> None:
    site = Site()
    site.pass_through(5)

    await asyncio.sleep(0)

    assert site.pass_through(5) == 2


async def test_it_stays_shut_between_two_batches_of_answers_and_opens_when_nobody_is_refused() -> None:
    site = Site()
    site.pass_through(1)
    assert site.turnstile.is_shut

    site.now += 2 * QUIET_SECONDS
    site.pass_through(1)

    assert not site.turnstile.is_shut
