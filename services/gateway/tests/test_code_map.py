"""Every canonical code of a model server becomes the HTTP status that TensorFlow Serving gives it."""

from collections.abc import Iterator
from typing import Any, NoReturn

import grpc
import httpx
import pytest
from gateways import is_ready, running_gateway, wait_until
from tiny_models import ModelServer, Serving, half_plus, listening, route, running_serving

from tidemill_contracts import tfserving

STATUSES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}


class Refusing(ModelServer):
    """A model server whose models refuse with the code that is their name."""

    def Predict(self, request: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        context.abort(grpc.StatusCode[request.model_spec.name], "as asked")


@pytest.fixture(scope="module")
def refusing() -> Iterator[httpx.Client]:
    server = Refusing({(code, 1): half_plus(0) for code in STATUSES})
    handlers = (tfserving.prediction_service_handlers(server), tfserving.model_service_handlers(server))
    serving = Serving()
    with listening(lambda listener: listener.add_generic_rpc_handlers(handlers)) as server.address:
        serving.publish(*(route(server, code, 1) for code in STATUSES))
        with running_serving(serving), running_gateway(serving.address) as client:
            wait_until(lambda: is_ready(client))
            yield client


@pytest.mark.parametrize(("code", "status"), STATUSES.items(), ids=[f"T12 {code}" for code in STATUSES])
def test_a_code_has_its_status_t12(refusing: httpx.Client, code: str, status: int) -> None:
    response = refusing.post(f"/v1/models/{code}/versions/1:predict", json={"instances": [1.0]})

    assert response.status_code == status
    assert response.json()["error"]
