"""TensorFlow Serving's ModelService."""

# ruff: noqa: N802 -- methods carry the names that the service gives them

from typing import Any, NoReturn

from google.protobuf.json_format import ParseDict

from tidemill_contracts import tfserving
from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.grpc_server.edge import Context, GrpcEdge, GrpcRequest
from tidemill_gateway.grpc_server.model_specs import read_spec
from tidemill_gateway.models import Models

API = "tfs"


class ModelServicer:
    """The methods of the service."""

    def __init__(self, edge: GrpcEdge, models: Models) -> None:
        self._edge = edge
        self._models = models

    async def GetModelStatus(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._status, message, context)

    async def HandleReloadConfigRequest(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._reload, message, context)

    async def _status(self, request: GrpcRequest) -> Any:
        ref = read_spec(request.message)
        request.admit(Role.PREDICT, ref.name)
        document = await self._models.status(ref)
        versions = {"model_version_status": document["model_version_status"]}
        return ParseDict(versions, tfserving.GetModelStatusResponse())

    async def _reload(self, request: GrpcRequest) -> NoReturn:
        request.admit(Role.ADMIN)
        raise Refused(Code.PERMISSION_DENIED, "Models are loaded by their releases, not by configuration")
