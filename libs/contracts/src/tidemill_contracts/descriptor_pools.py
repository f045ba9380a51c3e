"""gRPC services from a file of descriptors, in a descriptor pool of their own.

Another copy of the same protos, as public clients bring them, can then be imported in the same process. For
that reason a message of another copy is not accepted as a field here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from typing import Any, Protocol

import grpc
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import DecodeError


class UnaryChannel(Protocol):
    """What a client of unary methods needs of a channel."""

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any) -> Any: ...


class Channel(UnaryChannel, Protocol):
    """What a client needs of a `grpc` or `grpc.aio` channel."""

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None
    ) -> Any: ...

    def stream_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Undecodable:
    """What a servicer gets in place of a request that is no message of the method's type."""

    reason: str


class PrivatePool:
    """The definitions of one FileDescriptorSet in `tidemill_contracts/pb`; it is read on first use."""

    def __init__(self, file_name: str, packages: Sequence[str]) -> None:
        self._file_name = file_name
        self._packages = packages
        self._definitions: dict[str, Any] = {}

    def definition(self, name: str) -> Any:
        """Return the message class or enum with this short name; raises AttributeError if there is none."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._definitions:
            self._definitions[name] = self._find(name)
        return self._definitions[name]

    def _find(self, name: str) -> Any:
        for package in self._packages:
            try:
                return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"{package}.{name}"))
            except KeyError:
                pass
            try:
                return EnumTypeWrapper(self._pool.FindEnumTypeByName(f"{package}.{name}"))
            except KeyError:
                pass
        raise AttributeError(
            f"expected the name of a message or enum in {self._file_name}, received {name!r}"
        )

    def client_call(self, channel: UnaryChannel, service: str, name: str) -> Any:
        """Return the callable of a method; on a `grpc.aio` channel what it returns is awaitable."""
        method = self._pool.FindMethodByName(f"{service}.{name}")
        request, response = _message_classes(method)
        return getattr(channel, _arity(method))(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def server_handlers(self, service: str, servicer: object) -> grpc.GenericRpcHandler:
        """Return what a server needs to serve a service from the servicer's methods, which carry its names.

        They take `(request, context)`; one that the servicer lacks is answered UNIMPLEMENTED. A request that
        cannot be decoded is an Undecodable: gRPC itself would answer UNKNOWN.
        """
        handlers = {}
        for method in self._pool.FindServiceByName(service).methods:
            if behaviour := getattr(servicer, method.name, None):
                request, response = _message_classes(method)
                make = getattr(grpc, f"{_arity(method)}_rpc_method_handler")
                handlers[method.name] = make(
                    behaviour,
                    request_deserializer=partial(_decoded, request),
                    response_serializer=response.SerializeToString,
                )
        return grpc.method_handlers_generic_handler(service, handlers)

    @cached_property
    def _pool(self) -> DescriptorPool:
        data = resources.files("tidemill_contracts").joinpath("pb", self._file_name).read_bytes()
        pool = DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
            pool.AddSerializedFile(file.SerializeToString())
        return pool


def _decoded(message_class: Any, data: bytes) -> Any:
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        return Undecodable(str(error))


def _arity(method: MethodDescriptor) -> str:
    sides = (method.client_streaming, method.server_streaming)
    return "_".join("stream" if streams else "unary" for streams in sides)


def _message_classes(method: MethodDescriptor) -> tuple[Any, Any]:
    return (
        message_factory.GetMessageClass(method.input_type),
        message_factory.GetMessageClass(method.output_type),
    )
