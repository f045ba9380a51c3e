"""A span for every call of PredictionService, below that of whoever calls."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from tidemill_runtime.rpc.server_calls import Context
from tidemill_runtime.rpc.statuses import RpcError
from tidemill_runtime.tracing import TRACEPARENT, Kind, Tracing

Behaviour = Callable[[Any, Any], Awaitable[Any]]


class TracedCalls(grpc.GenericRpcHandler):
    """A service whose calls are spans."""

    def __init__(self, service: grpc.GenericRpcHandler, tracing: Tracing) -> None:
        self._service = service
        self._tracing = tracing

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a method, None where there is none."""
        handler: Any = self._service.service(handler_call_details)
        if handler is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._traced(handler.unary_unary, handler_call_details.method.rpartition("/")[2]),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _traced(self, behaviour: Behaviour, method: str) -> Any:
        async def answer(request: Any, context: Context) -> Any:
            parents = [value for key, value in context.invocation_metadata() if key == TRACEPARENT]
            # MultiInference alone names models elsewhere.
            spec = getattr(request, "model_spec", None)
            named = {"rpc.system": "grpc", "tidemill.model": spec.name if spec else ""}
            span = self._tracing.begin(method, Kind.SERVER, parents, named)
            failure = "CANCELLED"
            try:
                response = await behaviour(request, context)
                failure = ""
            except RpcError as error:
                failure = error.details()
                raise
            finally:
                span.end({}, failure)
            return response

        return answer
