"""Rules of HTTP on the wire, byte by byte: what clients send in parts, at once, or not at all."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from gateways import is_ready, running_gateway, wait_until
from prometheus_client import REGISTRY
from tiny_models import Serving, half_plus, route, running_model_server, running_serving, sleeping

PATH = "/v1/models/half_plus_two:predict"


class Connection:
    """A socket that reads whole answers."""

    def __init__(self, client: httpx.Client) -> None:
        url = urlsplit(str(client.base_url))
        self.socket = socket.create_connection((url.hostname or "", url.port or 0), 5)
        self._received = b""

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Return the next answer: status, headers, body."""
        head = self._read(lambda data: data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0).decode()
        status, *lines = head.split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers.get("content-length", 0)) if has_body else 0
        body = self._read(lambda data: size if len(data) >= size else 0) if size else b""
        return int(status.split()[1]), headers, body

    def is_closed(self) -> bool:
        return not self._received and self.socket.recv(1) == b""

    def _read(self, end_of: Callable[[bytes], int]) -> bytes:
        while not (end := end_of(self._received)):
            chunk = self.socket.recv(65536)
            assert chunk, f"the connection ended within an answer: {self._received!r}"
            self._received += chunk
        taken, self._received = self._received[:end], self._received[end:]
        return taken


@pytest.fixture
def wire(client: httpx.Client) -> Iterator[Connection]:
    with connected(client) as connection:
        yield connection


@contextmanager
def connected(client: httpx.Client) -> Iterator[Connection]:
    connection = Connection(client)
    with connection.socket:
        yield connection


def post(x: float, *headers: str, path: str = PATH) -> str:
    body = json.dumps({"instances": [x]})
    return "\r\n".join(
        [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", body]
    )


def predictions(body: bytes) -> object:
    return json.loads(body)["predictions"]


def test_requests_sent_at_once_are_answered_in_their_order(wire: Connection) -> None:
    get = "GET /v1/models/half_plus_two HTTP/1.1\r\nHost: x\r\n\r\n"
    probe = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    wire.send(post(2) + get + post(4) + probe + post(6, path="/v1/models/nobody:predict") + post(8))

    statuses, bodies = zip(
        *((status, body) for status, _, body in (wire.answer() for _ in range(6))), strict=True
    )

    assert statuses == (200, 200, 200, 200, 404, 200)
    assert [predictions(bodies[number]) for number in (0, 2, 5)] == [[3.0], [4.0], [6.0]]
    assert b"model_version_status" in bodies[1]
    assert bodies[3] == b"ok\n"


def test_a_body_may_come_in_parts(wire: Connection) -> None:
    request = post(2)
    for begin in range(0, len(request), 7):
        wire.send(request[begin : begin + 7])

    assert predictions(wire.answer()[2]) == [3.0]


def test_a_body_may_come_in_chunks(wire: Connection) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.send(head + '6\r\n{"inst\r\n')
    wire.send('d\r\nances": [2.0]\r\n1\r\n}\r\n0\r\n\r\n' + post(4))

    assert [predictions(wire.answer()[2]), predictions(wire.answer()[2])] == [[3.0], [4.0]]


def test_who_asks_whether_to_go_on_is_told_so(wire: Connection) -> None:
    head, body = post(2, "Expect: 100-continue").split("\r\n\r\n")
    wire.send(f"{head}\r\n\r\n")

    assert wire.answer(has_body=False)[0] == 100
    wire.send(body)
    assert predictions(wire.answer()[2]) == [3.0]


def test_head_has_no_body(wire: Connection) -> None:
    wire.send("HEAD /v1/models/half_plus_two HTTP/1.1\r\nHost: x\r\n\r\n" + post(2))

    status, headers, _ = wire.answer(has_body=False)

    assert (status, int(headers["content-length"]) > 0) == (400, True)
    assert predictions(wire.answer()[2]) == [3.0]


@pytest.mark.parametrize("closing", ["Connection: close", None])
def test_a_connection_ends_when_the_caller_wants_it_to(wire: Connection, closing: str | None) -> None:
    wire.send(post(2, closing) if closing else post(2).replace("HTTP/1.1", "HTTP/1.0"))

    _, headers, body = wire.answer()

    assert (headers["connection"], predictions(body)) == ("close", [3.0])
    assert wire.is_closed()


def test_a_path_may_carry_the_host_and_a_query(wire: Connection) -> None:
    wire.send(post(2, path=f"http://elsewhere{PATH}?a=b"))

    assert predictions(wire.answer()[2]) == [3.0]


def test_what_is_no_http_is_refused(wire: Connection) -> None:
    wire.send("NOT HTTP AT ALL\r\n\r\n")

    assert wire.answer()[0] == 400


def test_answers_carry_the_date_and_an_id_of_their_own(wire: Connection) -> None:
    wire.send(post(2) + post(2))
    first, second = wire.answer()[1], wire.answer()[1]

    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", first["date"])
    assert re.fullmatch("[0-9a-f]{32}", first["tidemill-request-id"])
    assert first["tidemill-request-id"] != second["tidemill-request-id"]


@contextmanager
def slow_gateway() -> Iterator[httpx.Client]:
    serving, models = Serving(), {("slow", 1): sleeping(0.5), ("half_plus_two", 1): half_plus(2)}
    with running_model_server(models) as server:
        serving.publish(*(route(server, name, 1) for name, _ in models))
        with running_serving(serving), running_gateway(serving.address) as client:
            wait_until(lambda: is_ready(client))
            yield client


def test_a_caller_that_hangs_up_is_counted_as_cancelled() -> None:
    def cancelled() -> float:
        labels = {
            "model": "slow",
            "version": "1",
            "signature": "serving_default",
            "variant": "",
            "protocol": "rest",
            "api": "tfs",
            "code": "CANCELLED",
        }
        return REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) or 0.0

    before = cancelled()
    with slow_gateway() as client:
        client.post("/v1/models/slow:predict", json={"instances": [1]})
        connection = Connection(client)
        connection.send(post(2, path="/v1/models/slow:predict"))
        wait_until(lambda: _is_under_way(client))
        connection.socket.close()

        wait_until(lambda: cancelled() == before + 1)


def _is_under_way(client: httpx.Client) -> bool:
    # The request was written before this one, so the gateway has read it when this is answered.
    return client.post(PATH, json={"instances": [1]}).status_code == 200


def test_a_slow_answer_holds_back_those_behind_it_on_its_connection_only() -> None:
    with slow_gateway() as client, connected(client) as slow, connected(client) as other:
        slow.send(post(2, path="/v1/models/slow:predict") + post(2))
        other.send(post(4))
        quick = predictions(other.answer()[2])
        behind = [predictions(slow.answer()[2]), predictions(slow.answer()[2])]

    assert (quick, behind) == ([4.0], [[2.0], [3.0]])


def test_from_who_reads_no_answers_no_more_requests_are_read(client: httpx.Client) -> None:
    labels = {
        "model": "echo_string",
        "version": "1",
        "signature": "serving_default",
        "variant": "",
        "protocol": "rest",
        "api": "tfs",
        "code": "OK",
    }
    body, requests = json.dumps({"instances": ["x" * 20_000]}), 1000
    path = "/v1/models/echo_string:predict"
    one = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def answered() -> float:
        return REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) or 0.0

    def stands_still() -> bool:
        count = answered()
        time.sleep(0.5)
        return count == answered() > before

    before = answered()
    with connected(client) as connection:
        sending = threading.Thread(target=connection.send, args=(one * requests,))
        connection.socket.settimeout(30)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sending.start()
        wait_until(stands_still, 20)
        unread = answered() - before
        statuses = [connection.answer()[0] for _ in range(requests)]
        sending.join(10)

    assert unread < requests
    assert statuses == [200] * requests
