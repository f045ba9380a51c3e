"""Rules of the releases API: it says what serving says, forwards orders, and knows when serving is away."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
import pytest
from gateways import running_gateway
from tiny_models import Serving, listening

from tidemill_contracts.pb.routes_pb2 import ReleaseRequest, ReleaseState, VariantState
from tidemill_contracts.pb.routes_pb2_grpc import (
    ReleasesServicer,
    add_ReleasesServicer_to_server,
    add_RoutesServicer_to_server,
)


class Releases(ReleasesServicer):
    """Serving's API: knows one model, and remembers orders."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, ReleaseRequest]] = []

    def Get(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        if request.model != "flights/late":
            context.abort(grpc.StatusCode.NOT_FOUND, f"Expecting a deployed model, got {request.model}")
        variants = [VariantState(name="canary", version=4, weight=0.25, requests=100, p50_seconds=0.5)]
        return ReleaseState(model=request.model, stable_version=3, candidate_version=4, variants=variants)

    def Promote(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        self.orders.append(("promote", request))
        return self.Get(request, context)

    def Rollback(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        self.orders.append(("rollback", request))
        return self.Get(request, context)


@pytest.fixture
def releases() -> Releases:
    return Releases()


@pytest.fixture
def client(releases: Releases) -> Iterator[httpx.Client]:
    def add(server: grpc.Server) -> None:
        add_ReleasesServicer_to_server(releases, server)
        add_RoutesServicer_to_server(Serving(), server)

    with ExitStack() as stack:
        address = stack.enter_context(listening(add))
        yield stack.enter_context(running_gateway(address))


def test_a_release_is_told_as_serving_sees_it(client: httpx.Client) -> None:
    reply = client.get("/v1/releases/flights%2Flate")

    document = reply.json()
    assert reply.status_code == 200
    assert (document["model"], document["stable_version"], document["candidate_version"]) == (
        "flights/late",
        3,
        4,
    )
    assert document["findings"] == []
    assert document["variants"][0] == {
        "name": "canary",
        "version": 4,
        "weight": 0.25,
        "requests": 100,
        "errors": 0,
        "p50_seconds": 0.5,
        "p99_seconds": 0,
        "rewards": 0,
        "mean_reward": 0,
    }


@pytest.mark.parametrize("order", ["promote", "rollback"])
@pytest.mark.parametrize(
    ("body", "version", "reason"), [(None, 0, ""), ({"version": 4, "reason": "looks fine"}, 4, "looks fine")]
)
def test_orders_are_forwarded(
    client: httpx.Client, releases: Releases, order: str, body: Any, version: int, reason: str
) -> None:
    reply = client.post(f"/v1/releases/flights%2Flate:{order}", json=body)

    assert reply.status_code == 200
    request = ReleaseRequest(model="flights/late", version=version, reason=reason)
    assert releases.orders == [(order, request)]


@pytest.mark.parametrize(
    ("asked", "body", "status", "error"),
    [
        ("GET nothing", "", 404, "Expecting a deployed model, got nothing"),
        ("POST m", "", 400, "Malformed request: POST /v1/releases/m"),
        ("GET m:promote", "", 400, "Malformed request: GET /v1/releases/m:promote"),
        ("POST m:delete", "", 400, "Malformed request: POST /v1/releases/m:delete"),
        ("POST m:promote", '{"version": "4"}', 400, "Expecting version and reason, or nothing; version: "),
        ("POST m:promote", '{"versoin": 4}', 400, "Expecting version and reason, or nothing; versoin: "),
        ("POST m:promote", "[", 400, "Expecting version and reason, or nothing; body: "),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(
    client: httpx.Client, releases: Releases, asked: str, body: str, status: int, error: str
) -> None:
    method, path = asked.split()
    reply = client.request(method, f"/v1/releases/{path}", content=body)

    assert (reply.status_code, reply.json()["error"][: len(error)]) == (status, error)
    assert releases.orders == []


def test_orders_need_serving() -> None:
    with listening(lambda _server: None) as nobody:
        pass
    with running_gateway(nobody) as client:
        reply = client.post("/v1/releases/m:promote")

    assert reply.status_code == 503
    assert reply.json() == {"error": "Serving, which decides on releases, cannot be reached"}
