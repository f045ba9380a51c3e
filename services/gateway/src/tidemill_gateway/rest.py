"""TensorFlow Serving's REST API: every request below /v1/, as a plain ASGI endpoint.

No framework stands between the socket and the prediction here: it would cost more than the rest.
"""

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from tidemill_gateway.bodies import BodyTooLarge, read_body
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.metrics import Labels, observe_request
from tidemill_gateway.model_servers import Metadata
from tidemill_gateway.models import Models
from tidemill_gateway.paths import Verb, read_path
from tidemill_gateway.predictions import Predictions, Question
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
class _Reply:
    code: Code
    status: int
    body: bytes
    version: int | None = None


class TfServingRest:
    """The endpoint of everything below /v1/."""

    def __init__(
        self, predictions: Predictions, models: Models, *, max_body_bytes: int, allow_all_origins: bool
    ) -> None:
        self._predictions = predictions
        self._answers = {
            Verb.PREDICT: predictions.predict,
            Verb.CLASSIFY: predictions.classify,
            Verb.REGRESS: predictions.regress,
        }
        self._models = models
        self._max_body_bytes = max_body_bytes
        self._headers = _CORS if allow_all_origins else []

    @staticmethod
    def serves(scope: Scope) -> bool:
        """Say whether a request is for this API: every path below /v1/, malformed or not, in any case."""
        return scope["type"] == "http" and str(scope["path"][:4]).lower() == "/v1/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong is an answer too."""
        begin = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        request_id = _request_id(headers)
        labels = Labels()
        try:
            reply = await self._reply(scope, receive, headers, labels)
        except Refused as refusal:
            reply = _refusal(refusal)
        except Exception:  # noqa: BLE001 - the process boundary: a fault must not cost the caller an answer
            get_logger().exception("request-failed", request_id=request_id.decode())
            message = f"Internal error, logged with request id {request_id.decode()}"
            reply = _refusal(Refused(Code.INTERNAL, message))
        await self._send(reply, request_id, send)
        seconds = time.perf_counter() - begin
        if scope["method"] == "POST":
            observe_request(labels, protocol="rest", api="tfs", code=reply.code, seconds=seconds)
        log = get_logger().warning if reply.status >= 500 else get_logger().debug
        log("request", path=scope["path"], code=reply.code, request_id=request_id.decode(), seconds=seconds)

    async def _reply(self, scope: Scope, receive: Receive, headers: Headers, labels: Labels) -> _Reply:
        method = scope["method"]
        if method == "OPTIONS":
            return _preflight(headers)
        verb, ref = read_path(method, scope["raw_path"].decode("latin-1"))
        if verb in self._answers:
            labels.model = self._predictions.model_label(ref)
            body = await read_body(receive, headers, self._max_body_bytes)
            answer = await self._answers[verb](Question(ref, body, labels, _metadata(headers)))
            return _Reply(Code.OK, 200, answer.body, answer.version)
        if verb is Verb.MODELS:
            return _document(self._models.names())
        if verb is Verb.STATUS:
            return _document(await self._models.status(ref))
        return _document(await self._models.metadata(ref))

    async def _send(self, reply: _Reply, request_id: bytes, send: Send) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(reply.body)),
            (b"tidemill-request-id", request_id),
            *self._headers,
        ]
        if reply.version is not None:
            headers.append((b"tidemill-model-version", b"%d" % reply.version))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


def _request_id(headers: Headers) -> bytes:
    given = headers.get(b"tidemill-request-id", b"")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()


def _metadata(headers: Headers) -> Metadata:
    traceparent = headers.get(b"traceparent", b"")
    return (("traceparent", traceparent.decode()),) if _TRACEPARENT.fullmatch(traceparent) else ()


def _preflight(headers: Headers) -> _Reply:
    if headers.get(b"origin", b"").startswith((b"http://", b"https://")):
        return _Reply(Code.OK, 200, b"")
    raise Refused(Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")


def _document(document: Mapping[str, object]) -> _Reply:
    return _Reply(Code.OK, 200, orjson.dumps(document))


def _refusal(refusal: Refused) -> _Reply:
    status = STATUS_OF_LARGE_BODY if isinstance(refusal, BodyTooLarge) else STATUS_BY_CODE[refusal.code]
    body = json.dumps({"error": refusal.message}, indent=4, ensure_ascii=False)
    return _Reply(refusal.code, status, body.encode(errors="replace"))
