"""Limits of time and size, spoken to over bare sockets, where well-behaved clients could not break them."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from gateways import is_ready, running_app, running_gateway, wait_until
from prometheus_client import REGISTRY
from tiny_models import ModelServer, Serving, half_plus, listening, route, running_serving

from tidemill_contracts import tfserving
from tidemill_contracts.api_keys import ApiKeys, Role, new_key
from tidemill_gateway.protection import connections

PATH = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [2.0]}'


def head(body_bytes: int, *lines: str) -> bytes:
    given = [f"POST {PATH} HTTP/1.1", "host: gateway", f"content-length: {body_bytes}", *lines]
    return "\r\n".join([*given, "", ""]).encode()


@contextmanager
def connected(client: httpx.Client) -> Iterator[socket.socket]:
    url = client.base_url
    with socket.create_connection((url.host, url.port or 0), timeout=5) as connection:
        yield connection


def read_answer(connection: socket.socket) -> tuple[int, str]:
    """Return the status and all else that comes with it."""
    text = b""
    while b"\r\n\r\n" not in text and (more := connection.recv(65536)):
        text += more
    return (int(text.split()[1]), text.decode()) if text else (0, "")


def requests(**labels: str) -> float:
    """Return how many requests were counted."""
    every = {"model": "half_plus_two", "version": "123", "signature": "__unknown__", "variant": ""}
    every |= {"protocol": "rest", "api": "tfs", **labels}
    return REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", every) or 0.0


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def small(model_server: ModelServer) -> Iterator[httpx.Client]:
    """A gateway with two places."""
    with small_gateway(model_server) as client:
        yield client


@contextmanager
def small_gateway(model_server: ModelServer, **changes: Any) -> Iterator[httpx.Client]:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving), running_gateway(serving.address, max_in_flight=2, **changes) as client:
        wait_until(lambda: is_ready(client))
        yield client


def test_headers_beyond_the_limit_end_the_connection(small: httpx.Client) -> None:
    with connected(small) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n")
        connection.sendall(b"".join(b"x-%d: %b\r\n" % (number, b"x" * 1000) for number in range(80)))
        status, _ = read_answer(connection)

    assert status == 431


def test_headers_that_do_not_come_end_the_connection(
    small: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with connected(small) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nx-")
        status, _ = read_answer(connection)
        closed = is_closed(connection)

    assert (status, closed) == (408, True)


def test_an_idle_connection_is_kept_after_a_request(
    small: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with connected(small) as connection:
        connection.sendall(head(len(BODY)) + BODY)
        first, _ = read_answer(connection)
        time.sleep(0.3)
        connection.sendall(head(len(BODY)) + BODY)
        second, _ = read_answer(connection)

    assert (first, second) == (200, 200)


def test_a_body_that_does_not_come_is_given_up(model_server: ModelServer) -> None:
    with (
        small_gateway(model_server, body_seconds=0.4) as client,
        connected(client) as connection,
    ):
        connection.sendall(head(len(BODY)) + BODY[:5])
        status, text = read_answer(connection)
        closed = is_closed(connection)

    assert (status, closed) == (504, True)
    assert "tidemill-reason: body-late" in text


def test_a_body_that_comes_in_time_is_taken_in_parts(small: httpx.Client) -> None:
    with connected(small) as connection:
        connection.sendall(head(len(BODY)))
        for byte in BODY:
            connection.sendall(bytes([byte]))
            time.sleep(0.005)
        status, _ = read_answer(connection)

    assert status == 200


def test_those_who_send_slowly_do_not_keep_out_others(small: httpx.Client) -> None:
    with connected(small) as one, connected(small) as two, connected(small) as three:
        for connection in (one, two, three):
            connection.sendall(head(len(BODY)) + BODY[:5])
        time.sleep(0.05)
        other = small.post(PATH, content=BODY)
        one.sendall(BODY[5:])
        slow, _ = read_answer(one)

    assert other.status_code == 200
    assert slow == 200


def test_too_many_at_once_are_refused_before_their_bodies_are_sent() -> None:
    waiting = Waiting()
    refused_before = requests(code="UNAVAILABLE", version="")
    with (
        waiting.gateway(max_in_flight=2) as client,
        connected(client) as one,
        connected(client) as two,
        connected(client) as three,
    ):
        for connection in (one, two):
            connection.sendall(head(len(BODY)) + BODY)
        wait_until(lambda: bool(waiting.seconds_left))
        three.sendall(head(10_000_000))
        status, text = read_answer(three)
        again = client.post(PATH, content=BODY, headers={"tidemill-request-id": "mine"})
        once_more = client.post(PATH, content=BODY)
        ready = is_ready(client)
        waiting.left.set()
        others = [read_answer(connection)[0] for connection in (one, two)]
        after = client.post(PATH, content=BODY)

    assert (status, ready, others) == (503, True, [200, 200])
    assert again.headers["tidemill-request-id"] == "mine"
    assert once_more.headers["tidemill-request-id"] not in {"mine", text}
    for refused in (again, once_more):
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json() == {"error": "More requests are waiting than can be answered in time"}
    assert after.status_code == 200
    assert requests(code="UNAVAILABLE", version="") == refused_before + 3
    assert "tidemill-reason: overloaded" in text
    assert "retry-after: 1" in text


def test_large_bodies_take_a_bounded_share_of_memory_and_small_ones_pass(model_server: ModelServer) -> None:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    large = b'{"instances": [' + b" " * 90_000 + b"2.0]}"
    with (
        running_serving(serving),
        running_app(serving.address, max_body_bytes=100_000) as (client, app),
        ExitStack() as stack,
    ):
        wait_until(lambda: is_ready(client))
        senders = [stack.enter_context(connected(client)) for _ in range(18)]
        for connection in senders:
            connection.sendall(head(len(large)) + large[:-1])
        wait_until(lambda: app.edge.body_memory.free_bytes < len(large))
        refused = client.post(PATH, content=large)
        small = client.post(PATH, content=BODY)
        for connection in senders:
            connection.close()
        wait_until(lambda: client.post(PATH, content=large).status_code == 200)

    assert (refused.status_code, small.status_code) == (503, 200)


def test_who_may_not_ask_is_refused_before_the_body_is_sent(
    model_server: ModelServer, tmp_path: Path
) -> None:
    _, kept = new_key("shop", frozenset({Role.PREDICT}), datetime(2026, 1, 1, tzinfo=UTC))
    keys = tmp_path / "keys.json"
    keys.write_text(ApiKeys(keys=(kept,)).model_dump_json())
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving), running_gateway(serving.address, api_keys_file=keys) as client:
        wait_until(lambda: is_ready(client))
        with connected(client) as connection:
            connection.sendall(head(10_000_000, "authorization: Bearer wrong"))
            status, _ = read_answer(connection)

    assert status == 401


@pytest.mark.parametrize("header", ["tidemill-timeout-ms", "x-envoy-expected-rq-timeout-ms"])
def test_a_caller_says_how_long_it_waits(header: str) -> None:
    waiting = Waiting()
    with waiting.gateway() as client:
        # What the model takes is known then: asking for it counts too.
        client.get(PATH.replace(":predict", "/metadata")).raise_for_status()
        began = time.monotonic()
        answer = client.post(PATH, content=BODY, headers={header: "150"})
        seconds = time.monotonic() - began
        over = client.post(PATH, content=BODY, headers={header: "0"})
        wrong = client.post(PATH, content=BODY, headers={header: "soon"})

    assert answer.status_code == 504
    assert 0.1 < seconds < 4.5  # not the five that others have
    assert waiting.seconds_left[0] < 0.2
    assert (over.status_code, over.headers["tidemill-reason"]) == (504, "deadline-exceeded")
    assert len(waiting.seconds_left) == 1
    assert wrong.json() == {"error": f"Expecting whole milliseconds in {header} but got: soon"}


def test_a_caller_that_leaves_ends_the_work() -> None:
    def cancelled() -> float:
        return requests(code="CANCELLED", signature="serving_default")

    before = cancelled()
    waiting = Waiting()
    with waiting.gateway() as client:
        with connected(client) as connection:
            connection.sendall(head(len(BODY)) + BODY)
            wait_until(lambda: bool(waiting.seconds_left))
        assert waiting.left.wait(30)
        wait_until(lambda: cancelled() == before + 1)


class Waiting(ModelServer):
    """A model server that never answers; `left` is set when the gateway does not wait any more."""

    def __init__(self) -> None:
        super().__init__({("half_plus_two", 123): half_plus(2)})
        self.seconds_left: list[float] = []
        self.left = threading.Event()

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the service's name
        context.add_callback(self.left.set)
        self.seconds_left.append(context.time_remaining())
        self.left.wait(10)
        return super().Predict(request, context)

    @contextmanager
    def gateway(self, **changes: Any) -> Iterator[httpx.Client]:
        serving = Serving()
        handlers = [tfserving.prediction_service_handlers(self)]
        with (
            listening(lambda server: server.add_generic_rpc_handlers(handlers)) as self.address,
            running_serving(serving),
        ):
            serving.publish(route(self, "half_plus_two", 123))
            with running_gateway(serving.address, **changes) as client:
                wait_until(lambda: is_ready(client))
                yield client


@pytest.mark.parametrize("path", [PATH, "/v2/models/half_plus_two/infer"])
@pytest.mark.parametrize("opening", ['{"inputs":', '[{"instances":', '{"inputs":[{"data":[['])
def test_nesting_without_end_is_refused_t15_v8(client: httpx.Client, path: str, opening: str) -> None:
    answer = client.post(path, content=opening.encode() * 500_000)
    after = client.post(PATH, content=BODY)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert after.json() == {"predictions": [3.0]}


def test_only_listed_origins_may_read_answers() -> None:
    with running_gateway("127.0.0.1:1", cors_origins="https://one.example, https://two.example") as client:
        listed = client.get("/v1/models", headers={"origin": "https://two.example"})
        other = client.get("/v1/models", headers={"origin": "https://three.example"})
        preflight = client.options(PATH, headers={"origin": "https://one.example"})

    assert listed.headers["access-control-allow-origin"] == "https://two.example"
    assert "tidemill-reason" in listed.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    assert {listed.headers["vary"], other.headers["vary"]} == {"Origin"}
    assert preflight.headers["access-control-allow-origin"] == "https://one.example"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
