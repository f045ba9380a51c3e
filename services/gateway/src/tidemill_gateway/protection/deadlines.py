"""How long the caller waits: what it says itself, or the proxy in front of it."""

import re

from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.protection.callers import Header

TIMEOUT_HEADERS = (b"tidemill-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
_MILLISECONDS = re.compile(rb"-?[0-9]{1,18}")


def time_left(header: Header, most_seconds: float) -> float:
    """Return the time to answer in: the least of `most_seconds` and what headers say.

    Raises Refused when a header is no number, or there is no time.
    """
    seconds = most_seconds
    for name in TIMEOUT_HEADERS:
        given = header(name)
        if given is not None:
            seconds = min(seconds, _seconds(name, given))
    if seconds <= 0:
        raise expired()
    return seconds


def expired() -> Refused:
    """Make the refusal of a request that cannot be answered in time."""
    return Refused(Code.DEADLINE_EXCEEDED, "The time to answer in is over", reason="deadline-exceeded")


def _seconds(name: bytes, given: bytes) -> float:
    if not _MILLISECONDS.fullmatch(given):
        text = given[:64].decode("latin-1")
        raise invalid(f"Expecting whole milliseconds in {name.decode()} but got: {text}")
    return int(given) / 1000
