"""PredictionService and ModelService: from messages to the catalog and back."""

# ruff: noqa: N802 -- methods carry the names that the services give them

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

import grpc

from tidemill_contracts import tfserving
from tidemill_contracts.descriptor_pools import Undecodable
from tidemill_local.modelserver.catalog import Catalog
from tidemill_local.modelserver.errors import StatusError, invalid
from tidemill_local.modelserver.examples import classify, multi_inference, regress
from tidemill_local.modelserver.metrics import REQUEST_MICROSECONDS, REQUESTS, UNKNOWN_MODEL
from tidemill_local.modelserver.model_config import from_message
from tidemill_local.modelserver.prediction import predict
from tidemill_local.modelserver.servable import Servable
from tidemill_local.modelserver.served_model import Version
from tidemill_runtime.logs import get_logger
from tidemill_runtime.rpc.server_calls import Context

Answer = TypeVar("Answer")
Handle = Callable[[Any, Any], Awaitable[Any]]

MAX_DETAILS = 1024
SIGNATURE_DEF = "signature_def"


def reporting(handle: Handle) -> Callable[[Any, Any, Context], Awaitable[Any]]:
    """Turn StatusError into the call's status, and anything unexpected into INTERNAL without its details."""

    @wraps(handle)
    async def handled(servicer: Any, request: Any, context: Context) -> Any:
        try:
            _check_decoded(request)
            return await handle(servicer, request)
        except StatusError as error:
            code, details = error.code, error.message
        except Exception:  # noqa: BLE001 -- the process boundary: the traceback goes to our log alone
            get_logger().exception("request-failed", method=handle.__name__)
            code, details = grpc.StatusCode.INTERNAL, "internal error; the model server's log says more"
        if len(details) > MAX_DETAILS:
            details = details[:MAX_DETAILS] + "...TRUNCATED"
        return await context.abort(code, details)

    return handled


class PredictionServicer:
    """The methods of PredictionService."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @reporting
    async def Predict(self, request: tfserving.PredictRequest) -> Any:
        return await self._answer("Predict", predict, request, _model_spec(request))

    @reporting
    async def Classify(self, request: tfserving.ClassificationRequest) -> Any:
        return await self._answer("Classify", classify, request, _model_spec(request))

    @reporting
    async def Regress(self, request: tfserving.RegressionRequest) -> Any:
        return await self._answer("Regress", regress, request, _model_spec(request))

    @reporting
    async def MultiInference(self, request: tfserving.MultiInferenceRequest) -> Any:
        spec = request.tasks[0].model_spec if request.tasks else tfserving.ModelSpec()
        return await self._answer("MultiInference", multi_inference, request, spec)

    @reporting
    async def GetModelMetadata(self, request: tfserving.GetModelMetadataRequest) -> Any:
        servable = _find(self._catalog, _model_spec(request))
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                raise invalid(f"Metadata field {field} is not supported")
        response = tfserving.GetModelMetadataResponse(model_spec=servable.model_spec())
        definitions = tfserving.SignatureDefMap(signature_def=servable.model.definitions)
        response.metadata[SIGNATURE_DEF].Pack(definitions)
        return response

    async def _answer(
        self, api: str, respond: Callable[[Servable, Any], Answer], request: Any, spec: tfserving.ModelSpec
    ) -> Answer:
        started = time.perf_counter()
        model = spec.name if self._catalog.knows(spec.name) else UNKNOWN_MODEL
        status = grpc.StatusCode.INTERNAL
        try:
            answer = await _find(self._catalog, spec).answer(respond, request)
            status = grpc.StatusCode.OK
        except StatusError as error:
            status = error.code
            raise
        except asyncio.CancelledError:
            status = grpc.StatusCode.CANCELLED
            raise
        finally:
            REQUESTS.labels(model, status.name).inc()
        REQUEST_MICROSECONDS.labels(model, api, "GRPC").observe((time.perf_counter() - started) * 1e6)
        return answer


class ModelServicer:
    """The methods of ModelService."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @reporting
    async def GetModelStatus(self, request: tfserving.GetModelStatusRequest) -> Any:
        spec = _model_spec(request)
        versions = self._catalog.status(spec.name, _version(spec))
        return tfserving.GetModelStatusResponse(model_version_status=map(_version_status, versions))

    @reporting
    async def HandleReloadConfigRequest(self, request: tfserving.ReloadConfigRequest) -> Any:
        await self._catalog.reload(from_message(request.config))
        return tfserving.ReloadConfigResponse(status={})


def _check_decoded(request: Any) -> None:
    if isinstance(request, Undecodable):
        raise invalid(request.reason)


def _find(catalog: Catalog, spec: tfserving.ModelSpec) -> Servable:
    label = spec.version_label if spec.HasField("version_label") else None
    return catalog.find(spec.name, _version(spec), label)


def _model_spec(request: Any) -> tfserving.ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _version(spec: tfserving.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None


def _version_status(version: Version) -> dict[str, Any]:
    failure = version.failure
    status = {"error_code": failure.code.value[0], "error_message": failure.message} if failure else {}
    return {"version": version.number, "state": int(version.state), "status": status}
