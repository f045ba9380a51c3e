"""The messages and the service of the Open Inference Protocol (V2), as KServe, Triton and MLServer speak it.

Message classes are attributes of this module, found by their short name on first use:
`oip.ModelInferRequest(...)`. As in `tfserving`, they live in a descriptor pool of their own, so a public
client that brings its own copy can be imported in the same process.
"""

from typing import Any

import grpc

from tidemill_contracts.descriptor_pools import Channel, PrivatePool

SERVICE = "inference.GRPCInferenceService"

_POOL = PrivatePool("oip.binpb", ("inference",))


class GrpcInferenceServiceStub:
    """Client of the service; on a `grpc.aio` channel the calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: Channel) -> None:
        self.ServerLive = _POOL.client_call(channel, SERVICE, "ServerLive")
        self.ServerReady = _POOL.client_call(channel, SERVICE, "ServerReady")
        self.ModelReady = _POOL.client_call(channel, SERVICE, "ModelReady")
        self.ServerMetadata = _POOL.client_call(channel, SERVICE, "ServerMetadata")
        self.ModelMetadata = _POOL.client_call(channel, SERVICE, "ModelMetadata")
        self.ModelInfer = _POOL.client_call(channel, SERVICE, "ModelInfer")
        self.ModelStreamInfer = _POOL.client_call(channel, SERVICE, "ModelStreamInfer")
        self.ModelConfig = _POOL.client_call(channel, SERVICE, "ModelConfig")
        self.ModelStatistics = _POOL.client_call(channel, SERVICE, "ModelStatistics")
        self.RepositoryIndex = _POOL.client_call(channel, SERVICE, "RepositoryIndex")
        self.RepositoryModelLoad = _POOL.client_call(channel, SERVICE, "RepositoryModelLoad")
        self.RepositoryModelUnload = _POOL.client_call(channel, SERVICE, "RepositoryModelUnload")


def service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve the service from the servicer's methods.

    Methods carry the names of the service and take `(request, context)`; one that the servicer lacks is
    answered UNIMPLEMENTED.
    """
    return _POOL.server_handlers(SERVICE, servicer)


def __getattr__(name: str) -> Any:
    """Return the message class or enum with this short name; raises AttributeError if there is none."""
    return _POOL.definition(name)
