"""What is the same for every REST API: identity, admission, time, errors and measures of a request."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tidemill_contracts.api_keys import Role
from tidemill_gateway.bodies import ArrivingBody, BodyMemory, BodyTooLarge, unpacked
from tidemill_gateway.call_headers import answer_headers, passed_on, request_id
from tidemill_gateway.calls import UNKNOWN, Call, Headers
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.failure_log import FailureLog
from tidemill_gateway.identities import Identities
from tidemill_gateway.metrics import observe_request
from tidemill_gateway.paths import NO_MODEL
from tidemill_gateway.protection.deadlines import time_left
from tidemill_gateway.protection.guard import FREE, Admission, Guard
from tidemill_gateway.protection.origins import check_preflight
from tidemill_gateway.protection.overload import Overloaded
from tidemill_gateway.protection.refusals import refusal_headers
from tidemill_gateway.protection.turnstile import Turn, Turnstile, plain_target
from tidemill_gateway.protection.wiring import Protection
from tidemill_gateway.settings import Settings
from tidemill_gateway.tracing import begin_request, end_request
from tidemill_runtime.logs import get_logger
from tidemill_runtime.tracing import Tracing

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
# How many of the largest bodies there may be at once.
LARGE_BODIES = 16

_LOGGER = logging.getLogger("tidemill")


@dataclass(slots=True)
class RestRequest:
    """One request. `path` is percent-encoded, without the query; header names are in lower case.

    `began` is of the performance counter; neither it nor the call's deadline counts the time for the body.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    call: Call
    arriving: ArrivingBody
    max_body_bytes: int
    guard: Guard
    began: float
    admission: Admission | None = None

    def admit(self, role: Role, model: str | None = None, *, predicts: bool = False) -> None:
        """Ask the guard, before anything is done; `model` None: about no model. Raises Refused.

        What an API does not ask for is left to administrators.
        """
        self.admission = self.guard.admit(self.headers.get, role, model, predicts=predicts)

    async def body(self) -> bytes:
        """Return the body, unpacked, as soon as it is here; raises Refused."""
        if self.admission is None:
            self.admit(Role.ADMIN)
        if not self.arriving.is_whole:
            await self._arrival()
        body = unpacked(await self.arriving.read(), self.headers, self.max_body_bytes)
        self.arriving.hold(len(body))
        return body

    async def _arrival(self) -> None:
        admission, self.admission = self.admission or FREE, None
        waited = -time.perf_counter()
        with admission.suspended():
            await self.arriving.read()
        self.admission = admission
        waited += time.perf_counter()
        self.began += waited
        self.call.deadline += waited


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
    """Answers the requests of all APIs; of a body, `max_body_bytes` are read, in `body_seconds`."""

    def __init__(
        self,
        apis: Sequence[RestApi],
        settings: Settings,
        protection: Protection,
        tracing: Tracing | None = None,
    ) -> None:
        self._apis = apis
        self._tracing = tracing
        self._guard = protection.guard
        self._timeout_seconds = settings.predict_timeout_seconds
        self.max_body_bytes = settings.max_body_bytes
        self.body_seconds = settings.body_seconds
        self.body_memory = BodyMemory(LARGE_BODIES * settings.max_body_bytes)
        self.draining = protection.draining
        self._origins = protection.origins
        self._identities = Identities()
        self._failures = FailureLog()
        self.turnstile = Turnstile()

    def api_of(self, path: str) -> RestApi | None:
        """Return the API that a request is for, None when it is for none of them."""
        for api in self._apis:
            if api.serves(path):
                return api
        return None

    async def answer(
        self, api: RestApi, method: str, target: bytes, headers: Headers, body: ArrivingBody
    ) -> Reply:
        """Answer a request as it came over the wire; whatever goes wrong is an answer too.

        `target` is the path with its query. When the caller leaves, cancel.
        """
        request = self._request(api, method, target, headers, body)
        call = request.call
        span = begin_request(self._tracing, call, f"{method} {api.name}") if self._tracing else None
        try:
            reply = await self._reply(api, request)
        except Overloaded as refusal:
            reply = _refusal(api, refusal)
            if call.model != UNKNOWN:
                self._keep(target, refusal, call, reply)
        except Refused as refusal:
            reply = _refusal(api, refusal)
        except asyncio.CancelledError:
            reply = _refusal(api, Refused(Code.CANCELLED, "The request was cancelled"))
        except Exception:  # noqa: BLE001 - the process boundary: a fault must not cost the caller an answer
            get_logger().exception("request-failed", request_id=call.id)
            message = f"Internal error, logged with request id {call.id}"
            reply = _refusal(api, Refused(Code.INTERNAL, message))
        self._complete(reply, call)
        seconds = time.perf_counter() - request.began
        if request.admission is not None:
            request.admission.release(seconds, reply.code)
        if method == "POST":
            observe_request(call, reply.code, seconds)
        if span is not None:
            end_request(span, call, reply.code)
        if reply.status >= 500 or _LOGGER.isEnabledFor(logging.DEBUG):
            self._log(request, reply, seconds)
        return reply

    def _log(self, request: RestRequest, reply: Reply, seconds: float) -> None:
        if not self._failures.takes(reply.code, request.began):
            return
        log = get_logger().warning if reply.status >= 500 else get_logger().debug
        log("request", path=request.path, code=reply.code, request_id=request.call.id, seconds=seconds)

    def refuse_at_once(self, data: bytes) -> bytes | None:
        """Return the answer to a whole request for which there is no place, as others heard; None: go on."""
        target = plain_target(data)
        turn = self.turnstile.turn(target) if target is not None else None
        if turn is None:
            return None
        observe_request(turn.call, Code.UNAVAILABLE, 0)
        return b"%b%b%b" % (turn.begin, self._identities.next().encode(), turn.end)

    def _keep(self, target: bytes, refusal: Overloaded, call: Call, reply: Reply) -> None:
        told = [*reply.headers, *self._origins.headers({}), (b"content-type", reply.content_type)]
        lines = b"".join([b"%b: %b\r\n" % header for header in told])
        begin = b"HTTP/1.1 503 Service Unavailable\r\n%btidemill-request-id: " % lines
        end = b"\r\ncontent-length: %d\r\n\r\n%b" % (len(reply.body), reply.body)
        self.turnstile.keep(target, Turn(refusal, call, begin, end))

    def _request(
        self, api: RestApi, method: str, target: bytes, headers: Headers, body: ArrivingBody
    ) -> RestRequest:
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        call = Call(
            NO_MODEL,
            "rest",
            api.name,
            request_id(headers, self._identities),
            deadline,
            passed_on(headers),
            headers,
        )
        path, _, query = target.partition(b"?")
        return RestRequest(
            method,
            path.decode("latin-1"),
            query,
            headers,
            call,
            body,
            self.max_body_bytes,
            self._guard,
            time.perf_counter(),
        )

    async def _reply(self, api: RestApi, request: RestRequest) -> Reply:
        if request.method == "OPTIONS":
            check_preflight(request.headers)
            return Reply(b"")
        call = request.call
        call.deadline += time_left(request.headers.get, self._timeout_seconds) - self._timeout_seconds
        reply = await api.answer(request)
        if request.admission is None:
            request.admit(Role.ADMIN)
        return reply

    def _complete(self, reply: Reply, call: Call) -> None:
        reply.headers.extend(answer_headers(call, is_answered=reply.code is Code.OK))
        reply.headers.extend(self._origins.headers(call.headers))


def _refusal(api: RestApi, refusal: Refused) -> Reply:
    is_large = isinstance(refusal, BodyTooLarge)
    status = STATUS_OF_LARGE_BODY if is_large else STATUS_BY_CODE[refusal.code]
    return Reply(api.error_body(refusal.message), refusal.code, status, headers=refusal_headers(refusal))
