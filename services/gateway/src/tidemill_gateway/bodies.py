"""Request bodies off the wire: whole, unpacked and bounded."""

import zlib
from collections.abc import Mapping

from starlette.types import Receive

from tidemill_gateway.errors import Code, Refused, invalid

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class BodyTooLarge(Refused):
    """The body is larger than this gateway reads."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED, f"Expecting a body of at most {limit_bytes} bytes but got more"
        )


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit_bytes: int) -> bytes:
    """Return the body, decompressed where it is gzip; raises Refused, as soon as it exceeds the limit."""
    chunks: list[bytes] = []
    size_bytes, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(Code.CANCELLED, "The caller went away")
        chunks.append(message.get("body", b""))
        size_bytes += len(chunks[-1])
        if size_bytes > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        more = message.get("more_body", False)
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding == b"identity":
        return body
    if encoding != b"gzip":
        raise invalid(f"Expecting Content-Encoding gzip or identity but got: {encoding.decode('latin-1')}")
    return _gunzip(body, limit_bytes)


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = unpacking.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise invalid(f"Expecting a gzip body but got: {error}") from error
    if len(unpacked) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    if not unpacking.eof:
        raise invalid("Expecting a complete gzip body but it ends early")
    return unpacked
