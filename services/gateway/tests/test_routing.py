"""Deployments and outages as callers see them: no failed request in a switch, and plain words otherwise."""

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from gateways import is_ready, running_gateway, wait_until
from tiny_models import (
    ModelServer,
    Serving,
    half_plus,
    route,
    running_model_server,
    running_serving,
    sleeping,
)

from tidemill_contracts.pb.routes_pb2 import RouteTable
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.watching import follow

PREDICT = "/v1/models/m:predict"
BODY = {"instances": [2.0]}
StartGateway = Callable[..., httpx.Client]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serving(stack: ExitStack) -> Serving:
    return stack.enter_context(running_serving(Serving()))


@pytest.fixture
def model_server(stack: ExitStack) -> ModelServer:
    return stack.enter_context(running_model_server({("m", 1): half_plus(1), ("m", 2): half_plus(2)}))


@pytest.fixture
def start(stack: ExitStack, serving: Serving) -> StartGateway:
    def start_gateway(**changes: Any) -> httpx.Client:
        client = stack.enter_context(running_gateway(serving.address, **changes))
        wait_until(lambda: is_ready(client))
        return client

    return start_gateway


def answering_version(client: httpx.Client) -> str | None:
    version: str | None = client.post(PREDICT, json=BODY).headers.get("tidemill-model-version")
    return version


def answers(client: httpx.Client, version: int) -> bool:
    return answering_version(client) == str(version)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def test_a_gateway_is_ready_once_a_table_came_even_an_empty_one(stack: ExitStack, serving: Serving) -> None:
    client = stack.enter_context(running_gateway(serving.address))
    before = client.get("/readyz")
    refused = client.post(PREDICT, json=BODY)

    serving.publish()
    wait_until(lambda: is_ready(client))

    assert before.status_code == 503
    assert refusal(refused) == (503, "Expecting a route table from serving but got none yet")
    assert client.get("/v1/models").json() == {"models": []}
    assert client.get("/livez").status_code == 200


def test_no_request_fails_while_versions_are_switched(
    serving: Serving, model_server: ModelServer, start: StartGateway
) -> None:
    serving.publish(route(model_server, "m", 1))
    client = start()
    replies: list[tuple[int, str | None]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url) as mine:
            while not stop.is_set():
                response = mine.post(PREDICT, json=BODY)
                replies.append((response.status_code, response.headers.get("tidemill-model-version")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in ("2", "1", "2", "1", "2"):
        begin = len(replies)
        serving.publish(route(model_server, "m", int(version)))
        wait_until(lambda begin=begin, version=version: (200, version) in replies[begin:])  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join(10)

    assert {status for status, _ in replies} == {200}


def test_a_version_unloaded_under_a_request_is_replaced_by_the_next(
    serving: Serving, model_server: ModelServer, start: StartGateway
) -> None:
    serving.publish(route(model_server, "m", 1))
    client = start()
    assert answering_version(client) == "1"

    del model_server.models["m", 1]
    threading.Timer(0.2, serving.publish, [route(model_server, "m", 2)]).start()
    response = client.post(PREDICT, json=BODY)

    assert (response.json(), response.headers["tidemill-model-version"]) == ({"predictions": [3.0]}, "2")


def test_a_version_asked_for_by_number_is_refused_at_once_when_it_is_gone(
    serving: Serving, model_server: ModelServer, start: StartGateway
) -> None:
    serving.publish(route(model_server, "m", 1, canary=2))
    client = start()

    del model_server.models["m", 2]
    response = client.post("/v1/models/m/versions/2:predict", json=BODY)

    assert refusal(response) == (404, "Servable not found for request: Specific(m, 2)")


def test_a_model_server_that_is_down_is_unavailable_until_it_is_back(
    stack: ExitStack, serving: Serving, start: StartGateway
) -> None:
    models = {("m", 1): half_plus(1)}
    with running_model_server(models) as first:
        serving.publish(route(first, "m", 1))
    client = start()

    assert refusal(client.post(PREDICT, json=BODY)) == (503, "Model server of m is unavailable")
    assert refusal(client.get("/v1/models/m")) == (503, "Model server of m is unavailable")
    with running_model_server(models, first.address):
        wait_until(lambda: answers(client, 1))
    assert refusal(client.post(PREDICT, json=BODY)) == (503, "Model server of m is unavailable")
    stack.enter_context(running_model_server(models, first.address))
    wait_until(lambda: answers(client, 1))


def test_a_slow_model_is_given_up_at_the_deadline(
    stack: ExitStack, serving: Serving, start: StartGateway
) -> None:
    slow = stack.enter_context(running_model_server({("m", 1): sleeping(2)}))
    serving.publish(route(slow, "m", 1))
    client = start(predict_timeout_seconds=0.2)

    response = client.post(PREDICT, json=BODY)

    assert refusal(response) == (504, "Model server of m did not answer in time")


def test_a_model_server_that_does_not_say_what_a_model_takes_is_given_up_at_the_deadline(
    stack: ExitStack, serving: Serving, start: StartGateway
) -> None:
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    server = ModelServer({})
    server.address = f"127.0.0.1:{silent.getsockname()[1]}"
    serving.publish(route(server, "m", 1))
    client = start(predict_timeout_seconds=0.2)

    response = client.post(PREDICT, json=BODY)

    assert refusal(response) == (504, "Model server of m did not answer in time")


def test_routes_stay_while_serving_is_away_and_follow_it_when_it_is_back(
    stack: ExitStack, model_server: ModelServer
) -> None:
    first = Serving()
    first.publish(route(model_server, "m", 1), revision=50)
    with running_serving(first):
        client = stack.enter_context(running_gateway(first.address))
        wait_until(lambda: is_ready(client))
    assert answering_version(client) == "1"
    assert is_ready(client)

    second = Serving()
    second.publish(route(model_server, "m", 2), revision=1)
    stack.enter_context(running_serving(second, first.address))

    wait_until(lambda: answers(client, 2))


async def test_a_table_older_than_the_last_of_its_stream_is_passed_over(model_server: ModelServer) -> None:
    async def tables() -> AsyncIterator[RouteTable]:
        for revision, version in ((5, 1), (4, 2)):
            yield RouteTable(revision=revision, routes=[route(model_server, "m", version)])

    book = RouteBook()
    await follow(tables(), book, ModelServers(1))

    assert book.resolve(ModelRef("m")).version == 1


def test_a_version_that_no_table_names_is_not_asked_for(
    serving: Serving, model_server: ModelServer, start: StartGateway
) -> None:
    serving.publish(route(model_server, "m", 1))
    client = start()

    response = client.post("/v1/models/m/versions/2:predict", json=BODY)

    assert refusal(response) == (404, "Servable not found for request: Specific(m, 2)")


def test_a_model_without_a_stable_version_answers_only_by_number(
    serving: Serving, model_server: ModelServer, start: StartGateway
) -> None:
    unstable = route(model_server, "m", 2)
    unstable.stable_version = 0
    serving.publish(unstable)
    client = start()

    assert refusal(client.post(PREDICT, json=BODY)) == (404, "Servable not found for request: Latest(m)")
    assert client.post("/v1/models/m/versions/2:predict", json=BODY).status_code == 200
    assert client.get("/v1/models/m").json()["ready"] is False
