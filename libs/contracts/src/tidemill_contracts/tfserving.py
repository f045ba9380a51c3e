"""The messages and services of TensorFlow Serving, without TensorFlow.

Message classes and enums are attributes of this module, found by their short name on first use:
`tfserving.PredictRequest(...)`, `tfserving.TensorProto`, `tfserving.DataType.Value("DT_FLOAT")`.
They live in a descriptor pool of their own, so TensorFlow or another client that brings its own copy can be
imported in the same process. For that reason a message of another copy is not accepted as a field here:
write `ModelSpec(name="m", version={"value": 3})`, not `version=wrappers_pb2.Int64Value(value=3)`.
"""

from functools import cache
from importlib import resources
from typing import Any, Protocol

import grpc
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"


class Channel(Protocol):
    """What a client needs of a `grpc` or `grpc.aio` channel."""

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None
    ) -> Any: ...


class PredictionServiceStub:
    """Client of PredictionService; on a `grpc.aio` channel the calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: Channel) -> None:
        self.Classify = _client_call(channel, PREDICTION_SERVICE, "Classify")
        self.Regress = _client_call(channel, PREDICTION_SERVICE, "Regress")
        self.Predict = _client_call(channel, PREDICTION_SERVICE, "Predict")
        self.MultiInference = _client_call(channel, PREDICTION_SERVICE, "MultiInference")
        self.GetModelMetadata = _client_call(channel, PREDICTION_SERVICE, "GetModelMetadata")


class ModelServiceStub:
    """Client of ModelService; on a `grpc.aio` channel the calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: Channel) -> None:
        self.GetModelStatus = _client_call(channel, MODEL_SERVICE, "GetModelStatus")
        self.HandleReloadConfigRequest = _client_call(channel, MODEL_SERVICE, "HandleReloadConfigRequest")


def prediction_service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve PredictionService from the servicer's methods.

    Methods carry the names of the service (`Predict`, `GetModelMetadata`, ...) and take `(request, context)`;
    one that the servicer lacks is answered UNIMPLEMENTED.
    """
    return _server_handlers(PREDICTION_SERVICE, servicer)


def model_service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve ModelService from the servicer's methods."""
    return _server_handlers(MODEL_SERVICE, servicer)


def __getattr__(name: str) -> Any:
    """Return the message class or enum with this short name; raises AttributeError if there is none."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _definition(name)


@cache
def _definition(name: str) -> Any:
    for package in ("tensorflow.serving", "tensorflow", "tensorflow.error"):
        try:
            return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{package}.{name}"))
        except KeyError:
            pass
        try:
            return EnumTypeWrapper(_pool().FindEnumTypeByName(f"{package}.{name}"))
        except KeyError:
            pass
    raise AttributeError(f"expected the name of a TensorFlow Serving message or enum, received {name!r}")


@cache
def _pool() -> DescriptorPool:
    data = resources.files("tidemill_contracts").joinpath("pb/tfserving.binpb").read_bytes()
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _client_call(channel: Channel, service: str, name: str) -> Any:
    method = _pool().FindMethodByName(f"{service}.{name}")
    request, response = _message_classes(method)
    return channel.unary_unary(
        f"/{service}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )


def _server_handlers(service: str, servicer: object) -> grpc.GenericRpcHandler:
    handlers = {}
    for method in _pool().FindServiceByName(service).methods:
        if behaviour := getattr(servicer, method.name, None):
            request, response = _message_classes(method)
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                behaviour,
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
    return grpc.method_handlers_generic_handler(service, handlers)


def _message_classes(method: MethodDescriptor) -> tuple[Any, Any]:
    return (
        message_factory.GetMessageClass(method.input_type),
        message_factory.GetMessageClass(method.output_type),
    )
