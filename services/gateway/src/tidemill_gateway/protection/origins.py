"""Cross-origin resource sharing: which pages may call the API from a browser."""

from collections.abc import Sequence

from tidemill_gateway.calls import Headers
from tidemill_gateway.errors import Code, Refused

HeaderList = Sequence[tuple[bytes, bytes]]

_METHODS = (b"access-control-allow-methods", b"POST, GET")
_ASKED = (
    b"Content-Type, Authorization, X-Api-Key, Inference-Header-Content-Length, Traceparent, "
    b"Tidemill-Request-Id, Tidemill-Timeout-Ms, Tidemill-Key"
)
_TOLD = (
    b"Inference-Header-Content-Length, Retry-After, Tidemill-Cache, Tidemill-Fallback, "
    b"Tidemill-Model-Version, Tidemill-Prediction-Id, Tidemill-Reason, Tidemill-Request-Id, Tidemill-Variant"
)
# What TensorFlow Serving says to everyone.
_TO_ANY = (
    (b"access-control-allow-origin", b"*"),
    _METHODS,
    (b"access-control-allow-headers", b"Content-Type"),
)
_TO_LISTED = (
    _METHODS,
    (b"access-control-allow-headers", _ASKED),
    (b"access-control-expose-headers", _TOLD),
)
_VARY = (b"vary", b"Origin")


class Origins:
    """The origins that are allowed; `*` allows any, without credentials."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._is_any = "*" in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def headers(self, headers: Headers) -> HeaderList:
        """Return what an answer to a request with these headers says."""
        if self._is_any:
            return _TO_ANY
        if not self._allowed:
            return ()
        origin = headers.get(b"origin")
        if origin is None or origin not in self._allowed:
            return (_VARY,)
        return ((b"access-control-allow-origin", origin), *_TO_LISTED, _VARY)


def check_preflight(headers: Headers) -> None:
    """Raise Refused unless a preflight request comes from a page of the web."""
    if not headers.get(b"origin", b"").startswith((b"http://", b"https://")):
        raise Refused(Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")
