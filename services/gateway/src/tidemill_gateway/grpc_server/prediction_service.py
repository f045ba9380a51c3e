"""TensorFlow Serving's PredictionService."""

# ruff: noqa: N802 -- methods carry the names that the service gives them

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import ParseDict
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.api_keys import Role
from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.grpc_server.edge import Context, GrpcEdge, GrpcRequest
from tidemill_gateway.grpc_server.model_specs import fill_resolved, read_spec
from tidemill_gateway.grpc_server.multi_inference import multi_inference
from tidemill_gateway.models import Models
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, NoSignature, Signature, type_name
from tidemill_gateway.tensor_checks import Declared, check_inputs

API = "tfs"
SIGNATURE_DEF = "signature_def"


class PredictionServicer:
    """The methods of the service."""

    def __init__(self, edge: GrpcEdge, predictions: Predictions, models: Models) -> None:
        self._edge = edge
        self._predictions = predictions
        self._models = models

    async def Predict(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._predict, message, context, is_inference=True)

    async def Classify(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._classify, message, context, is_inference=True)

    async def Regress(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._regress, message, context, is_inference=True)

    async def MultiInference(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._multi_inference, message, context, is_inference=True)

    async def GetModelMetadata(self, message: Any, context: Context) -> Any:
        return await self._edge.answer(API, self._metadata, message, context)

    async def _predict(self, request: GrpcRequest) -> Any:
        message, call = request.message, request.call
        self._take(request, read_spec(message))
        name = message.model_spec.signature_name or DEFAULT_SIGNATURE
        try:
            outputs = await self._predictions.predict_tensors(
                call, name, _reader(message), message.output_filter
            )
        except NoSignature as refusal:
            message = f'Serving signature key "{refusal.name}" not found.'
            raise Refused(Code.FAILED_PRECONDITION, message) from refusal
        response = tfserving.PredictResponse()
        fill_resolved(response.model_spec, call, name)
        for alias, array in outputs.items():
            response.outputs[alias].CopyFrom(tensors.to_proto(array))
        return response

    async def _classify(self, request: GrpcRequest) -> Any:
        return await self._infer(request, tfserving.ClassificationResponse())

    async def _regress(self, request: GrpcRequest) -> Any:
        return await self._infer(request, tfserving.RegressionResponse())

    async def _infer(self, request: GrpcRequest, response: Any) -> Any:
        message, call = request.message, request.call
        self._take(request, read_spec(message))
        response.result.CopyFrom(await self._predictions.infer(call, message))
        fill_resolved(response.model_spec, call, message.model_spec.signature_name or DEFAULT_SIGNATURE)
        return response

    async def _multi_inference(self, request: GrpcRequest) -> Any:
        if not request.message.tasks:
            raise invalid("Inference request has no tasks: expected at least one")
        self._take(request, read_spec(request.message.tasks[0]))
        return await multi_inference(self._predictions, request.call, request.message)

    async def _metadata(self, request: GrpcRequest) -> Any:
        message = request.message
        ref = read_spec(message)
        request.admit(Role.PREDICT, ref.name)
        if not message.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in message.metadata_field:
            if field != SIGNATURE_DEF:
                raise invalid(f"Metadata field {field} is not supported; expected {SIGNATURE_DEF}")
        document = await self._models.metadata(ref)
        definitions = ParseDict(document["metadata"][SIGNATURE_DEF], tfserving.SignatureDefMap())
        response = ParseDict({"model_spec": document["model_spec"]}, tfserving.GetModelMetadataResponse())
        response.metadata[SIGNATURE_DEF].Pack(definitions)
        return response

    def _take(self, request: GrpcRequest, ref: ModelRef) -> None:
        request.call.ref, request.call.model = ref, self._predictions.model_label(ref)
        request.admit(Role.PREDICT, ref.name, predicts=True)


def _reader(message: Any) -> Callable[[Signature], Arrays]:
    def read(signature: Signature) -> Arrays:
        declared = {
            alias: Declared(type_name(proto.dtype), [dim.size for dim in proto.tensor_shape.dim])
            for alias, proto in message.inputs.items()
        }
        check_inputs(declared, signature, _shown)
        return {alias: _array(alias, proto) for alias, proto in message.inputs.items()}

    return read


def _array(alias: str, proto: Any) -> NDArray[Any]:
    try:
        return tensors.to_array(proto)
    except tensors.TensorError as error:
        raise invalid(f"tensor parsing error: {alias}: {error}") from error


def _shown(type_name: str) -> str:
    return f"DT_{type_name.upper()}"
