"""Callers whom nobody knows are refused by their metadata alone: nothing is kept of what they send."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from tidemill_contracts import grpc_health, oip
from tidemill_gateway.errors import Refused
from tidemill_gateway.grpc_server.edge import Context, GrpcEdge, GrpcRequest, read_headers
from tidemill_gateway.protection.guard import Guard

_HEALTH = f"/{grpc_health.SERVICE}/"
_OIP = f"/{oip.SERVICE}/"

Messages = AsyncIterator[Any]
Handler = Any


class Doorkeeper(grpc.aio.ServerInterceptor):
    """Stands before all services. What it answers itself takes a stream of messages, and reads none.

    Anyone may ask for the health, but who is not known hears that of the whole server.
    """

    def __init__(self, guard: Guard, edge: GrpcEdge) -> None:
        self._guard = guard
        self._edge = edge

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Let a call go on to its service, or answer it here."""
        path, service = handler_call_details.method, await continuation(handler_call_details)
        try:
            self._guard.check_known(read_headers(handler_call_details.invocation_metadata).get)
        except Refused as refusal:
            if service is not None and path.startswith(_HEALTH):
                return _whole_health(service)
            return self._refusing("oip" if path.startswith(_OIP) else "tfs", refusal)
        return service

    def _refusing(self, api: str, refusal: Refused) -> Handler:
        async def refuse(_request: GrpcRequest) -> Any:
            raise refusal

        async def answer(_messages: Messages, context: Context) -> Any:
            return await self._edge.answer(api, refuse, None, context, is_inference=True)

        return grpc.stream_unary_rpc_method_handler(answer)


def _whole_health(service: Handler) -> Handler:
    request = grpc_health.HealthCheckRequest()

    async def check(_messages: Messages, context: Context) -> Any:
        return await service.unary_unary(request, context)

    async def watch(_messages: Messages, context: Context) -> AsyncIterator[Any]:
        async for health in service.unary_stream(request, context):
            yield health

    if service.response_streaming:
        return grpc.stream_stream_rpc_method_handler(watch, None, service.response_serializer)
    return grpc.stream_unary_rpc_method_handler(check, None, service.response_serializer)
