"""gRPC's health checks of the gateway."""

import time
from typing import Any

import grpc
import pytest
from gateways import is_ready, running_app, wait_until
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts import grpc_health, oip, tfserving


@pytest.mark.parametrize("name", ["", tfserving.PREDICTION_SERVICE, tfserving.MODEL_SERVICE, oip.SERVICE])
def test_every_service_is_healthy_t33(channel: grpc.Channel, name: str) -> None:
    request = grpc_health.HealthCheckRequest(service=name)

    assert grpc_health.HealthStub(channel).Check(request, timeout=5) == serving("SERVING")


def test_a_service_that_is_not_there_has_no_health_t33(channel: grpc.Channel) -> None:
    stub, request = grpc_health.HealthStub(channel), grpc_health.HealthCheckRequest(service="guess")

    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(request, timeout=5)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert next(iter(stub.Watch(request, timeout=5))) == serving("SERVICE_UNKNOWN")


def test_health_changes_are_told_and_a_watch_does_not_hold_up_the_end_t33(
    model_server: ModelServer,
) -> None:
    publisher = Serving()
    with running_serving(publisher):
        with running_app(publisher.address) as (client, app):
            channel = grpc.insecure_channel(app.grpc_server.address)
            watch = iter(grpc_health.HealthStub(channel).Watch(grpc_health.HealthCheckRequest(), timeout=20))
            before = next(watch)
            publisher.publish(route(model_server, "half_plus_two", 123))
            wait_until(lambda: is_ready(client))
            after = next(watch)
            begin = time.monotonic()
        ended_seconds = time.monotonic() - begin
        rest = list(watch)
        channel.close()

    assert (rest, ended_seconds < 5) == ([], True)
    assert (before, after) == (serving("NOT_SERVING"), serving("SERVING"))


def serving(status: str) -> Any:
    return grpc_health.HealthCheckResponse(status=status)
