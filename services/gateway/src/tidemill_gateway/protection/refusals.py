"""What a refusal says to programs, beside its code: why, and when asking again may help."""

import math

from tidemill_gateway.errors import Code, Refused

_CHALLENGE = (b"www-authenticate", b'Bearer realm="tidemill"')


def refusal_headers(refusal: Refused) -> list[tuple[bytes, bytes]]:
    """Return the headers of a refusal, names in lower case; over gRPC they are trailing metadata."""
    headers = [_CHALLENGE] if refusal.code is Code.UNAUTHENTICATED else []
    if refusal.reason:
        headers.append((b"tidemill-reason", refusal.reason.encode()))
    if refusal.retry_after_seconds is not None:
        # The header knows whole seconds only.
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(refusal.retry_after_seconds))))
    return headers
