"""gRPC's health checking protocol."""

# ruff: noqa: N802 -- methods carry the names that the service gives them

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from typing import Any

import grpc

from tidemill_contracts import grpc_health
from tidemill_contracts.descriptor_pools import Undecodable
from tidemill_gateway.grpc_server.edge import Context
from tidemill_runtime.ops import Check, failing

POLL_SECONDS = 0.5


class HealthServicer:
    """The methods of the service: all services of this server are well together, or none is.

    Anyone may ask, as load balancers have no keys.
    """

    def __init__(self, services: Collection[str], ready: Mapping[str, Check]) -> None:
        self._services = frozenset(services) | {""}
        self._ready = ready
        self._is_closed = asyncio.Event()

    def close(self) -> None:
        """End every watch."""
        self._is_closed.set()

    async def Check(self, message: Any, context: Context) -> Any:
        service = _asked(message)
        if service not in self._services:
            details = f"expected one of {sorted(self._services)}, received {service[:80]!r}"
            await context.abort(grpc.StatusCode.NOT_FOUND, details)
        return self._health(service)

    async def Watch(self, message: Any, context: Context) -> AsyncIterator[Any]:
        """Tell every change, within half a second, for as long as the caller listens."""
        del context
        service, last = _asked(message), None
        while not self._is_closed.is_set():
            health = self._health(service)
            if health != last:
                yield health
            last = health
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_closed.wait(), POLL_SECONDS)

    def _health(self, service: str) -> Any:
        status = "NOT_SERVING" if failing(self._ready) else "SERVING"
        status = status if service in self._services else "SERVICE_UNKNOWN"
        return grpc_health.HealthCheckResponse(status=status)


def _asked(message: Any) -> str:
    return "no message" if type(message) is Undecodable else message.service
