"""The messages and services of TensorFlow Serving, without TensorFlow.

Message classes and enums are attributes of this module, found by their short name on first use:
`tfserving.PredictRequest(...)`, `tfserving.TensorProto`, `tfserving.DataType.Value("DT_FLOAT")`.
They live in a descriptor pool of their own, so TensorFlow or another client that brings its own copy can be
imported in the same process. For that reason a message of another copy is not accepted as a field here:
write `ModelSpec(name="m", version={"value": 3})`, not `version=wrappers_pb2.Int64Value(value=3)`.
"""

from typing import Any

import grpc

from tidemill_contracts.descriptor_pools import PrivatePool, UnaryChannel

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

_POOL = PrivatePool("tfserving.binpb", ("tensorflow.serving", "tensorflow", "tensorflow.error"))


class PredictionServiceStub:
    """Client of PredictionService; of an asynchronous channel calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: UnaryChannel) -> None:
        self.Classify = _POOL.client_call(channel, PREDICTION_SERVICE, "Classify")
        self.Regress = _POOL.client_call(channel, PREDICTION_SERVICE, "Regress")
        self.Predict = _POOL.client_call(channel, PREDICTION_SERVICE, "Predict")
        self.MultiInference = _POOL.client_call(channel, PREDICTION_SERVICE, "MultiInference")
        self.GetModelMetadata = _POOL.client_call(channel, PREDICTION_SERVICE, "GetModelMetadata")


class ModelServiceStub:
    """Client of ModelService; on an asynchronous channel the calls are awaitable. Always pass `timeout`."""

    def __init__(self, channel: UnaryChannel) -> None:
        self.GetModelStatus = _POOL.client_call(channel, MODEL_SERVICE, "GetModelStatus")
        self.HandleReloadConfigRequest = _POOL.client_call(
            channel, MODEL_SERVICE, "HandleReloadConfigRequest"
        )


def prediction_service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve PredictionService from the servicer's methods.

    Methods carry the names of the service (`Predict`, `GetModelMetadata`, ...) and take `(request, context)`;
    one that the servicer lacks is answered UNIMPLEMENTED.
    """
    return _POOL.server_handlers(PREDICTION_SERVICE, servicer)


def model_service_handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what a `grpc` or `grpc.aio` server needs to serve ModelService from the servicer's methods."""
    return _POOL.server_handlers(MODEL_SERVICE, servicer)


def __getattr__(name: str) -> Any:
    """Return the message class or enum with this short name; raises AttributeError if there is none."""
    return _POOL.definition(name)
