"""The gRPC server with all its services."""

from collections.abc import Mapping

from tidemill_contracts import grpc_health, oip, tfserving
from tidemill_gateway.grpc_server.doorkeeper import Doorkeeper
from tidemill_gateway.grpc_server.edge import GrpcEdge
from tidemill_gateway.grpc_server.health import HealthServicer
from tidemill_gateway.grpc_server.inference_service import InferenceServicer
from tidemill_gateway.grpc_server.model_service import ModelServicer
from tidemill_gateway.grpc_server.prediction_service import PredictionServicer
from tidemill_gateway.grpc_server.server import GrpcServer
from tidemill_gateway.models import Models
from tidemill_gateway.oip.descriptions import Descriptions
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.protection.wiring import Protection
from tidemill_gateway.settings import Settings
from tidemill_runtime.ops import Check
from tidemill_runtime.tracing import Tracing

SERVICES = (tfserving.PREDICTION_SERVICE, tfserving.MODEL_SERVICE, oip.SERVICE)


def create_grpc_server(  # noqa: PLR0913, PLR0917 - it wires
    settings: Settings,
    protection: Protection,
    predictions: Predictions,
    models: Models,
    descriptions: Descriptions,
    ready: Mapping[str, Check],
    tracing: Tracing | None,
) -> GrpcServer:
    """Make the server; nothing is opened yet."""
    edge = GrpcEdge(protection.guard, settings.predict_timeout_seconds, tracing)
    health = HealthServicer(SERVICES, ready)
    handlers = (
        tfserving.prediction_service_handlers(PredictionServicer(edge, predictions, models)),
        tfserving.model_service_handlers(ModelServicer(edge, models)),
        oip.service_handlers(InferenceServicer(edge, predictions, descriptions)),
        grpc_health.service_handlers(health),
    )
    certificates = protection.certificates
    credentials = None if certificates is None else certificates.grpc_credentials()
    guard = protection.guard
    interceptors = [Doorkeeper(guard, edge)] if guard.has_credentials else []
    return GrpcServer(settings, handlers, interceptors, credentials=credentials, on_stop=health.close)
