"""gRPC's health checking protocol, in a descriptor pool of its own as `tfserving` and `oip` are."""

from typing import Any

import grpc

from tidemill_contracts.descriptor_pools import Channel, PrivatePool

SERVICE = "grpc.health.v1.Health"

_POOL = PrivatePool("grpc_health.binpb", ("grpc.health.v1",))


class HealthStub:
    """Client of the service; on a `grpc.aio` channel the calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: Channel) -> None:
        self.Check = _POOL.client_call(channel, SERVICE, "Check")
        self.Watch = _POOL.client_call(channel, SERVICE, "Watch")


def service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve the service from the servicer's methods."""
    return _POOL.server_handlers(SERVICE, servicer)


def __getattr__(name: str) -> Any:
    """Return the message class with this short name; raises AttributeError if there is none."""
    return _POOL.definition(name)
