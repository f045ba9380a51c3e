"""What is the same for every gRPC method: identity, admission, time, errors and measures of a request."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from tidemill_contracts.api_keys import Role
from tidemill_contracts.descriptor_pools import Undecodable
from tidemill_gateway.call_headers import answer_headers, passed_on, request_id
from tidemill_gateway.calls import Call, Headers
from tidemill_gateway.edge import STATUS_BY_CODE
from tidemill_gateway.errors import Code, Refused, invalid, truncated
from tidemill_gateway.failure_log import FailureLog
from tidemill_gateway.identities import Identities
from tidemill_gateway.metrics import observe_request
from tidemill_gateway.paths import NO_MODEL
from tidemill_gateway.protection.deadlines import time_left
from tidemill_gateway.protection.guard import Admission, Guard
from tidemill_gateway.protection.refusals import refusal_headers
from tidemill_gateway.tracing import begin_request, end_request
from tidemill_runtime.logs import get_logger
from tidemill_runtime.tracing import Tracing

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class GrpcRequest:
    """One request; `message` is its protobuf message."""

    message: Any
    call: Call
    guard: Guard
    admission: Admission | None = None

    def admit(self, role: Role, model: str | None = None, *, predicts: bool = False) -> None:
        """Ask the guard, before anything is done; `model` None: about no model. Raises Refused."""
        self.admission = self.guard.admit(self.call.headers.get, role, model, predicts=predicts)


Handle = Callable[[GrpcRequest], Awaitable[Any]]


class GrpcEdge:
    """Answers the requests of all gRPC methods; none may take longer than `timeout_seconds`."""

    def __init__(self, guard: Guard, timeout_seconds: float, tracing: Tracing | None = None) -> None:
        self._guard = guard
        self._tracing = tracing
        self._timeout_seconds = timeout_seconds
        self._identities = Identities()
        self._failures = FailureLog()

    async def answer(
        self, api: str, handle: Handle, message: Any, context: Context, *, is_inference: bool = False
    ) -> Any:
        """Return the answer to a unary request, or end it with the status of its refusal."""
        request = self.request(api, message, context)
        answer, refusal = await self.tried(handle, request, context, is_inference=is_inference)
        if refusal is None:
            context.set_trailing_metadata(_metadata(answer_headers(request.call, is_answered=True)))
            return answer
        headers = [*answer_headers(request.call, is_answered=False), *refusal_headers(refusal)]
        status = grpc.StatusCode[refusal.code]
        return await context.abort(status, truncated(refusal.message), _metadata(headers))

    async def tried(
        self, handle: Handle, request: GrpcRequest, context: Context, *, is_inference: bool
    ) -> tuple[Any, Refused | None]:
        """Return the answer to one request, or its refusal: whatever goes wrong is one."""
        began = time.perf_counter()
        answer, refusal, code = None, None, Code.INTERNAL
        call = request.call
        span = begin_request(self._tracing, call, f"gRPC {call.api}") if self._tracing else None
        try:
            _check_decoded(request.message)
            request.call.deadline += self._time_left(request, context) - self._timeout_seconds
            answer = await handle(request)
            if request.admission is None:
                request.admit(Role.ADMIN)
            code = Code.OK
        except asyncio.CancelledError:
            code = Code.DEADLINE_EXCEEDED if context.time_remaining() == 0 else Code.CANCELLED
            raise
        except Refused as refused:
            refusal, code = refused, refused.code
        except Exception:  # noqa: BLE001 - the process boundary: a fault must not cost the caller an answer
            get_logger().exception("request-failed", request_id=request.call.id)
            message = f"Internal error, logged with request id {request.call.id}"
            refusal, code = Refused(Code.INTERNAL, message), Code.INTERNAL
        finally:
            seconds = time.perf_counter() - began
            if request.admission is not None:
                request.admission.release(seconds, code)
            if is_inference:
                observe_request(call, code, seconds)
            if span is not None:
                end_request(span, call, code)
            if STATUS_BY_CODE[code] >= 500 and self._failures.takes(code, began):
                get_logger().warning("request", code=code, request_id=call.id, seconds=seconds)
        return answer, refusal

    def request(self, api: str, message: Any, context: Context) -> GrpcRequest:
        """Return a request as it came."""
        headers = read_headers(context.invocation_metadata())
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        identity = request_id(headers, self._identities)
        call = Call(NO_MODEL, "grpc", api, identity, deadline, passed_on(headers), headers)
        return GrpcRequest(message, call, self._guard)

    def _time_left(self, request: GrpcRequest, context: Context) -> float:
        remaining_seconds = context.time_remaining()
        most_seconds = self._timeout_seconds
        if remaining_seconds is not None:
            most_seconds = min(most_seconds, remaining_seconds)
        return time_left(request.call.headers.get, most_seconds)


def _check_decoded(message: Any) -> None:
    if type(message) is Undecodable:
        raise invalid(message.reason)


def read_headers(metadata: Any) -> Headers:
    """Return what a caller sent beside a message."""
    return {
        name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in metadata or ()
    }


def _metadata(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode(), value.decode("latin-1")) for name, value in headers)
