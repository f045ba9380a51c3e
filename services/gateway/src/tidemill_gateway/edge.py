"""Where REST requests come in and go out: identity, time, errors and measures, the same for every API.

No framework stands between the socket and the prediction here: it would cost more than the rest.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import Receive, Scope, Send

from tidemill_gateway.bodies import BodyTooLarge, read_body
from tidemill_gateway.calls import Call, Metadata
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.metrics import observe_request
from tidemill_gateway.paths import NO_MODEL
from tidemill_runtime.logs import get_logger

STATUS_BY_CODE: Mapping[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
}
STATUS_OF_LARGE_BODY = 413

Headers = Mapping[bytes, bytes]

_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class RestRequest:
    """One request. `path` is percent-encoded, without the query; header names are in lower case."""

    method: str
    path: str
    query: bytes
    headers: Headers
    call: Call
    receive: Receive
    max_body_bytes: int

    async def body(self) -> bytes:
        """Return the body, unpacked; raises Refused."""
        return await read_body(self.receive, self.headers, self.max_body_bytes)


@dataclass(slots=True)
class Reply:
    """What goes back."""

    body: bytes
    code: Code = Code.OK
    status: int = 200
    content_type: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class RestApi(Protocol):
    """One API: it knows its paths, bodies and the form of its errors, and nothing of HTTP beyond that."""

    name: str

    def serves(self, path: str) -> bool:
        """Say whether a path is this API's, malformed or not."""

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request, and fill in its call; raises Refused."""

    def error_body(self, message: str) -> bytes:
        """Write the body of a refusal."""


class Edge:
    """The ASGI endpoint of all APIs."""

    def __init__(
        self,
        apis: Sequence[RestApi],
        *,
        timeout_seconds: float,
        max_body_bytes: int,
        allow_all_origins: bool,
    ) -> None:
        self._apis = apis
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._headers = _CORS if allow_all_origins else []

    def api_of(self, scope: Scope) -> RestApi | None:
        """Return the API that a request is for, None when it is for none of them."""
        if scope["type"] != "http":
            return None
        return next((api for api in self._apis if api.serves(scope["path"])), None)

    async def answer(self, api: RestApi, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong is an answer too."""
        begin = time.perf_counter()
        request = self._request(api, scope, receive)
        call = request.call
        try:
            reply = await self._reply(api, request)
        except Refused as refusal:
            reply = _refusal(api, refusal)
        except Exception:  # noqa: BLE001 - the process boundary: a fault must not cost the caller an answer
            get_logger().exception("request-failed", request_id=call.id)
            message = f"Internal error, logged with request id {call.id}"
            reply = _refusal(api, Refused(Code.INTERNAL, message))
        await self._send(reply, call, send)
        seconds = time.perf_counter() - begin
        if request.method == "POST":
            observe_request(call, reply.code, seconds)
        log = get_logger().warning if reply.status >= 500 else get_logger().debug
        log("request", path=scope["path"], code=reply.code, request_id=call.id, seconds=seconds)

    def _request(self, api: RestApi, scope: Scope, receive: Receive) -> RestRequest:
        headers: Headers = dict(scope["headers"])
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        call = Call(NO_MODEL, "rest", api.name, _request_id(headers), deadline, _metadata(headers))
        path = scope["raw_path"].decode("latin-1")
        return RestRequest(
            scope["method"], path, scope["query_string"], headers, call, receive, self._max_body_bytes
        )

    async def _reply(self, api: RestApi, request: RestRequest) -> Reply:
        if request.method == "OPTIONS":
            return _preflight(request.headers)
        return await api.answer(request)

    async def _send(self, reply: Reply, call: Call, send: Send) -> None:
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"tidemill-request-id", call.id.encode()),
            *self._headers,
            *reply.headers,
        ]
        if call.version and reply.code is Code.OK:
            headers.append((b"tidemill-model-version", call.version.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


def _request_id(headers: Headers) -> str:
    given = headers.get(b"tidemill-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _metadata(headers: Headers) -> Metadata:
    traceparent = headers.get(b"traceparent", b"")
    return (("traceparent", traceparent.decode()),) if _TRACEPARENT.fullmatch(traceparent) else ()


def _preflight(headers: Headers) -> Reply:
    if headers.get(b"origin", b"").startswith((b"http://", b"https://")):
        return Reply(b"")
    raise Refused(Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")


def _refusal(api: RestApi, refusal: Refused) -> Reply:
    is_large = isinstance(refusal, BodyTooLarge)
    status = STATUS_OF_LARGE_BODY if is_large else STATUS_BY_CODE[refusal.code]
    return Reply(api.error_body(refusal.message), refusal.code, status)
