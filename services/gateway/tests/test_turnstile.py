"""Only requests that mean the same unparsed are refused unparsed."""

import pytest

from tidemill_gateway.protection.turnstile import plain_target

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
