"""The gRPC server: services, limits, and the refusal of the schema service."""

from collections.abc import Sequence
from typing import Any

import grpc

from tidemill_local.broker.errors import UnsupportedError
from tidemill_local.broker.rpc import abort

MAX_RECEIVE_BYTES = 64 * 1024 * 1024

_OPTIONS = (
    # Larger than any valid request, so that an oversized one is told its limit rather than cut off.
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    # A second broker on the same port must fail, not share it.
    ("grpc.so_reuseport", 0),
    # Clients ping idle streams every 30 seconds; gRPC's default would cut them off for it.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class _RefusedSchemas(grpc.GenericRpcHandler):
    """Answers every method of the schema service with UNIMPLEMENTED and the reason."""

    def service(self, call: Any) -> "grpc.RpcMethodHandler[Any, Any] | None":
        if not call.method.startswith("/google.pubsub.v1.SchemaService/"):
            return None

        async def refuse(_: bytes, context: Any) -> None:
            await abort(context, UnsupportedError(f"SchemaService ({call.method.rpartition('/')[2]})"))

        return grpc.unary_unary_rpc_method_handler(refuse)


def create_server(services: Sequence[grpc.GenericRpcHandler]) -> grpc.aio.Server:
    """A server, not yet bound or started, that offers `services`."""
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((*services, _RefusedSchemas()))
    return server
