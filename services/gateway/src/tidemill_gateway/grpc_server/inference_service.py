"""The Open Inference Protocol's GRPCInferenceService, with those of Triton's methods that are meant here."""

# ruff: noqa: N802 -- methods carry the names that the service gives them

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from google.protobuf.json_format import ParseDict

from tidemill_contracts import oip
from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.grpc_server.edge import Context, GrpcEdge, GrpcRequest
from tidemill_gateway.grpc_server.infer_request import read_message
from tidemill_gateway.grpc_server.infer_response import write_message
from tidemill_gateway.oip.descriptions import Descriptions, refuse_loading
from tidemill_gateway.oip.paths import read_version
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.protection.guard import caller_of

API = "oip"


class InferenceServicer:
    """The methods of the service."""

    def __init__(self, edge: GrpcEdge, predictions: Predictions, descriptions: Descriptions) -> None:
        self._edge = edge
        self._predictions = predictions
        self._descriptions = descriptions

    async def ServerLive(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._live, message, context)

    async def ServerReady(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._ready, message, context)

    async def ModelReady(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._model_ready, message, context)

    async def ServerMetadata(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._server_metadata, message, context)

    async def ModelMetadata(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._model_metadata, message, context)

    async def ModelConfig(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._config, message, context)

    async def ModelStatistics(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._statistics, message, context)

    async def RepositoryIndex(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._index, message, context)

    async def RepositoryModelLoad(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._load, message, context)

    async def RepositoryModelUnload(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._load, message, context)

    async def ModelInfer(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._infer, message, context, is_inference=True)

    async def ModelStreamInfer(self, messages: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        """Answer each request with one response, in order; one that is refused does not end the stream."""
        async for message in messages:
            request = self._edge.request(API, message, context)
            answer, refusal = await self._edge.tried(self._infer, request, context, is_inference=True)
            if refusal is None:
                yield oip.ModelStreamInferResponse(infer_response=answer)
            else:
                refused = {key: getattr(message, key, "") for key in ("id", "model_name")}
                yield oip.ModelStreamInferResponse(error_message=refusal.message, infer_response=refused)

    async def _live(self, request: GrpcRequest) -> Any:
        request.admit(Role.PREDICT)
        return oip.ServerLiveResponse(live=True)

    async def _ready(self, request: GrpcRequest) -> Any:
        request.admit(Role.PREDICT)
        return oip.ServerReadyResponse(ready=not self._descriptions.unready())

    async def _model_ready(self, request: GrpcRequest) -> Any:
        ref = _asked(request)
        try:
            await self._descriptions.check_model_ready(ref)
        except Refused as refusal:
            if refusal.code not in (Code.NOT_FOUND, Code.UNAVAILABLE):
                raise
            return oip.ModelReadyResponse(ready=False)
        return oip.ModelReadyResponse(ready=True)

    async def _server_metadata(self, request: GrpcRequest) -> Any:
        request.admit(Role.PREDICT)
        return oip.ServerMetadataResponse(**self._descriptions.server())

    async def _model_metadata(self, request: GrpcRequest) -> Any:
        return oip.ModelMetadataResponse(**await self._descriptions.model(_asked(request)))

    async def _config(self, request: GrpcRequest) -> Any:
        return oip.ModelConfigResponse(config=await self._descriptions.config(_asked(request)))

    async def _statistics(self, request: GrpcRequest) -> Any:
        ref = _asked(request)
        document = self._descriptions.statistics(ref, caller_of(request.admission))
        return ParseDict(document, oip.ModelStatisticsResponse(), ignore_unknown_fields=True)

    async def _index(self, request: GrpcRequest) -> Any:
        request.admit(Role.PREDICT)
        return oip.RepositoryIndexResponse(models=self._descriptions.index(caller_of(request.admission)))

    async def _load(self, request: GrpcRequest) -> NoReturn:
        request.admit(Role.ADMIN)
        raise refuse_loading()

    async def _infer(self, request: GrpcRequest) -> Any:
        call, message = request.call, request.message
        call.ref = ModelRef(message.model_name, read_version(message.model_version))
        call.model = self._predictions.model_label(call.ref)
        request.admit(Role.PREDICT, message.model_name, predicts=True)
        infer = read_message(message)
        if infer.timeout_seconds is not None:
            now = asyncio.get_running_loop().time()
            call.deadline = min(call.deadline, now + infer.timeout_seconds)
        outputs = await self._predictions.predict_tensors(call, infer.signature, infer.read, infer.wanted)
        return write_message(infer, call, outputs)


def _asked(request: GrpcRequest) -> ModelRef:
    request.admit(Role.PREDICT, request.message.name or None)
    return ModelRef(request.message.name, read_version(request.message.version))
