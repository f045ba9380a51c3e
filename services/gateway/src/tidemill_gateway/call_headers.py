"""What goes beside a request, both ways: headers over REST, metadata over gRPC, names in lower case."""

import re

from tidemill_gateway.calls import Call, Headers, Metadata
from tidemill_gateway.identities import Identities

_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(headers: Headers, identities: Identities) -> str:
    """Return the id that the caller gave the request, a new one where it gave none that can be sent back."""
    given = headers.get(b"tidemill-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return identities.next()


def passed_on(headers: Headers) -> Metadata:
    """Return what model servers are told of the caller's headers."""
    traceparent = headers.get(b"traceparent")
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return ()
    return (("traceparent", traceparent.decode()),)


def answer_headers(call: Call, *, is_answered: bool) -> list[tuple[bytes, bytes]]:
    """Return what an answer says of itself; of a refusal there is just its id."""
    headers = [(b"tidemill-request-id", call.id.encode())]
    if not is_answered:
        return headers
    if call.version:
        headers.append((b"tidemill-model-version", call.version.encode()))
    if call.variant:
        headers.append((b"tidemill-variant", call.variant.encode()))
    if call.fallback:
        headers.append((b"tidemill-fallback", call.fallback.encode()))
    if call.cache:
        headers.append((b"tidemill-cache", call.cache.encode()))
    if call.prediction_id:
        headers.append((b"tidemill-prediction-id", call.prediction_id.encode()))
    return headers
