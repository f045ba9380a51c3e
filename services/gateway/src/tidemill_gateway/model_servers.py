"""Client of the model servers: TensorFlow Serving's gRPC API, tensors in and out as numpy arrays."""

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from functools import partial
from typing import Any, Protocol

import grpc
from google.protobuf.json_format import MessageToDict
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_gateway.calls import NO_HEADERS, Arrays, Headers, Metadata
from tidemill_gateway.errors import Code, Refused, invalid, late, truncated
from tidemill_gateway.model_channels import ModelChannel
from tidemill_gateway.routes import Target
from tidemill_gateway.signatures import ModelInfo, model_info, type_name
from tidemill_runtime.rpc.statuses import RpcError

MAX_DESCRIBED = 256


class OtherServer(Protocol):
    """What answers in this process, as if it was a model server."""

    async def predict(
        self,
        target: Target,
        signature: str,
        inputs: Arrays,
        *,
        timeout_seconds: float,
        metadata: Metadata = (),
        headers: Headers = NO_HEADERS,
    ) -> Arrays:
        """Return the outputs by alias; raises Refused. `headers` are the caller's; of several, none."""

    async def infer(
        self, target: Target, request: Any, *, timeout_seconds: float, metadata: Metadata = ()
    ) -> Any:
        """Return the result of a ClassificationRequest or RegressionRequest; raises Refused."""

    async def describe(self, target: Target) -> ModelInfo:
        """Return what a target takes; raises Refused."""

    async def statuses(self, address: str, model: str, version: int | None) -> list[Mapping[str, Any]]:
        """Return the state of a version, or of all, in the form of TensorFlow Serving's REST API."""


class ModelServers:
    """Calls model servers, over one channel per address; every call has a deadline."""

    def __init__(self, timeout_seconds: float) -> None:
        """Prepare; descriptions of models may take `timeout_seconds`, whoever waits for them."""
        self._timeout_seconds = timeout_seconds
        self._channels: dict[str, ModelChannel] = {}
        self._predict: dict[str, Any] = {}
        self._described: dict[Target, asyncio.Task[ModelInfo]] = {}
        self._others: dict[str, OtherServer] = {}

    def add(self, scheme: str, server: OtherServer) -> None:
        """Let a server in this process answer for addresses that begin with `scheme:`."""
        self._others[scheme] = server

    async def predict(
        self,
        target: Target,
        signature: str,
        inputs: Arrays,
        *,
        timeout_seconds: float,
        metadata: Metadata = (),
        headers: Headers = NO_HEADERS,
    ) -> Arrays:
        """Return the outputs by alias; strings as object arrays of `bytes`. Raises Refused."""
        if other := self._other(target.address):
            return await other.predict(
                target,
                signature,
                inputs,
                timeout_seconds=timeout_seconds,
                metadata=metadata,
                headers=headers,
            )
        request = tfserving.PredictRequest()
        _fill_spec(request.model_spec, target)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tensors.to_proto(array))
        stub = self._predict.get(target.address) or self._predict_stub(target.address)
        call = stub(request, timeout=timeout_seconds, metadata=_of_one(metadata))
        response = await _answer(call, target.model)
        return {name: _to_array(proto) for name, proto in response.outputs.items()}

    async def infer(
        self, target: Target, request: Any, *, timeout_seconds: float, metadata: Metadata = ()
    ) -> Any:
        """Return the result of a ClassificationRequest or RegressionRequest. Raises Refused."""
        if other := self._other(target.address):
            return await other.infer(target, request, timeout_seconds=timeout_seconds, metadata=metadata)
        _fill_spec(request.model_spec, target)
        stub = tfserving.PredictionServiceStub(self._channel(target.address))
        call = stub.Classify if isinstance(request, tfserving.ClassificationRequest) else stub.Regress
        response = await _answer(call(request, timeout=timeout_seconds, metadata=metadata), target.model)
        return response.result

    def described(self, target: Target) -> ModelInfo | None:
        """Return what is known of a loaded version; None: `describe` has to ask."""
        task = self._described.get(target)
        return task.result() if task is not None and task.done() and task.exception() is None else None

    async def describe(self, target: Target) -> ModelInfo:
        """Return what a loaded version takes; asked once, as versions do not change. Raises Refused."""
        if other := self._other(target.address):
            return await other.describe(target)
        task = self._described.get(target)
        if task is None:
            if len(self._described) >= MAX_DESCRIBED:
                del self._described[next(iter(self._described))]
            task = self._described[target] = asyncio.create_task(self._describe(target))
            task.add_done_callback(partial(self._forget_failure, target))
        if task.done():
            return task.result()
        # Others may wait for the same answer after this caller has gone.
        return await asyncio.shield(task)

    async def statuses(self, address: str, model: str, version: int | None) -> list[Mapping[str, Any]]:
        """Return the state of a version, or of all, in the form of TensorFlow Serving's REST API."""
        if other := self._other(address):
            return await other.statuses(address, model, version)
        request = tfserving.GetModelStatusRequest(model_spec={"name": model})
        if version is not None:
            request.model_spec.version.value = version
        stub = tfserving.ModelServiceStub(self._channel(address))
        response = await _answer(stub.GetModelStatus(request, timeout=self._timeout_seconds), model)
        document = MessageToDict(
            response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        # The status message is left out where it is OK; TensorFlow Serving always shows it.
        fine = {"error_code": "OK", "error_message": ""}
        return [{"status": fine, **status} for status in document["model_version_status"]]

    async def keep(self, addresses: Collection[str]) -> None:
        """Hang up on the servers at all other addresses, each after its last answer."""
        for address in self._channels.keys() - addresses:
            self._predict.pop(address, None)
            await self._channels.pop(address).leave()

    async def close(self) -> None:
        """Close every channel."""
        for task in list(self._described.values()):
            task.cancel()
        for channel in self._channels.values():
            await channel.close()

    async def _describe(self, target: Target) -> ModelInfo:
        request = tfserving.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, target)
        stub = tfserving.PredictionServiceStub(self._channel(target.address))
        response = await _answer(stub.GetModelMetadata(request, timeout=self._timeout_seconds), target.model)
        signature_map = tfserving.SignatureDefMap()
        if not response.metadata["signature_def"].Unpack(signature_map):
            raise Refused(Code.INTERNAL, "Failed to unpack 'Any' object to 'SignatureDefMap'.")
        return model_info(signature_map)

    def _other(self, address: str) -> OtherServer | None:
        return self._others.get(address.partition(":")[0])

    def _forget_failure(self, target: Target, task: asyncio.Task[ModelInfo]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._described.pop(target, None)

    def _channel(self, address: str) -> ModelChannel:
        if address not in self._channels:
            self._channels[address] = ModelChannel(address)
        return self._channels[address]

    def _predict_stub(self, address: str) -> Any:
        stub = self._predict[address] = tfserving.PredictionServiceStub(self._channel(address)).Predict
        return stub


def _of_one(metadata: Metadata) -> Metadata:
    # What is about one request must not be said of another's that is asked with it.
    return metadata if len(metadata) < 2 else ()


def _fill_spec(spec: tfserving.ModelSpec, target: Target) -> None:
    spec.name = target.model
    spec.version.value = target.version


async def _answer(call: Awaitable[Any], model: str) -> Any:
    try:
        return await call
    except RpcError as error:
        raise _refusal(error, model) from error


def _refusal(error: RpcError, model: str) -> Refused:
    # The client's own words for these name addresses, which callers have no use for.
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Refused(Code.UNAVAILABLE, f"Model server of {model} is unavailable")
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return late(model)
    return Refused(Code(error.code().name), truncated(error.details()))


def _to_array(proto: tfserving.TensorProto) -> NDArray[Any]:
    try:
        return tensors.to_array(proto)
    except tensors.TensorError as error:
        raise invalid(f"Failed to write JSON value for tensor type: {type_name(proto.dtype)}") from error
