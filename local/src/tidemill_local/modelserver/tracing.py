"""A span for every call of PredictionService, below that of whoever calls."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from tidemill_contracts.tfserving import PREDICTION_SERVICE
from tidemill_runtime.tracing import TRACEPARENT, Kind, Tracing

Behaviour = Callable[[Any, Any], Awaitable[Any]]


class TracedCalls(grpc.aio.ServerInterceptor):
    """Puts spans around calls; other services go through untouched."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call, in a span where it is one of predictions."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{PREDICTION_SERVICE}/"):
            return handler
        metadata = handler_call_details.invocation_metadata
        parents = [value for key, value in metadata if key == TRACEPARENT and isinstance(value, str)]
        method = handler_call_details.method.rpartition("/")[2]
        return grpc.unary_unary_rpc_method_handler(
            self._traced(handler.unary_unary, method, parents),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _traced(self, behaviour: Behaviour, method: str, parents: list[str]) -> Behaviour:
        async def answer(request: Any, context: Any) -> Any:
            # MultiInference alone names models elsewhere.
            spec = getattr(request, "model_spec", None)
            named = {"rpc.system": "grpc", "tidemill.model": spec.name if spec else ""}
            span = self._tracing.begin(method, Kind.SERVER, parents, named)
            failure = "CANCELLED"
            try:
                response = await behaviour(request, context)
                failure = ""
            except grpc.aio.AbortError:
                failure = str(context.details())
                raise
            finally:
                span.end({}, failure)
            return response

        return answer
