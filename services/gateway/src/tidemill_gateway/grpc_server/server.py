"""The gRPC server itself: its port, its services, its end."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from tidemill_gateway.settings import Settings

UNREAD_BYTES = 65_535


class GrpcServer:
    """Serves while `running`; `address` is empty before."""

    def __init__(
        self,
        settings: Settings,
        handlers: Sequence[grpc.GenericRpcHandler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        *,
        credentials: grpc.ServerCredentials | None,
        on_stop: Callable[[], None],
    ) -> None:
        """Prepare to serve, with TLS if there are credentials; `on_stop` ends what would never end itself."""
        self._settings = settings
        self._handlers = handlers
        self._interceptors = interceptors
        self._credentials = credentials
        self._on_stop = on_stop
        self.address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block ends; calls that are on their way then may take `shutdown_seconds` more.

        Raises RuntimeError when the port is taken.
        """
        options = (
            # Two gateways must not share a port unawares; workers of one do.
            ("grpc.so_reuseport", int(self._settings.workers > 1)),
            ("grpc.max_receive_message_length", self._settings.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            # So much of a message comes unasked; the rest of one that is read comes at once. Left to itself
            # gRPC takes up to 64 MiB of every stream.
            ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
            ("grpc.http2.bdp_probe", 0),
        )
        server = grpc.aio.server(interceptors=self._interceptors, options=options)
        server.add_generic_rpc_handlers(tuple(self._handlers))
        host, wanted = self._settings.host, f"{self._settings.host}:{self._settings.grpc_port}"
        if self._credentials is None:
            port = server.add_insecure_port(wanted)
        else:
            port = server.add_secure_port(wanted, self._credentials)
        await server.start()
        self.address = f"{host}:{port}"
        try:
            yield
        finally:
            self._on_stop()
            await server.stop(self._settings.shutdown_seconds)
