"""Rules of the operations port: a probe says what fails, and never says yes for the sake of it."""

import json
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from prometheus_client import Counter

from tidemill_runtime.ops import OpsServer, failing

SCRAPED = Counter("tidemill_test_scrapes_total", "Counted by a test")


def broken() -> None:
    raise ConnectionError("nobody answers")


@pytest.fixture
def server() -> Iterator[OpsServer]:
    server = OpsServer("127.0.0.1", 0, live={}, ready={"broker": broken})
    server.start()
    yield server
    server.stop()


def get(server: OpsServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_failing_dependency_makes_the_service_unready_but_not_dead(server: OpsServer) -> None:
    assert get(server, "/readyz") == (503, "broker: ConnectionError: nobody answers\n")
    assert get(server, "/livez") == (200, "ok\n")


def test_metrics_are_exposed_in_prometheus_text(server: OpsServer) -> None:
    SCRAPED.inc()
    status, text = get(server, "/metrics")

    assert status == 200
    assert "tidemill_test_scrapes_total 1.0" in text


def test_another_path_is_not_found(server: OpsServer) -> None:
    assert get(server, "/")[0] == 404


def test_all_failures_are_reported_together() -> None:
    assert json.dumps(failing({"a": broken, "b": lambda: None, "c": broken}), sort_keys=True) == json.dumps(
        {"a": "ConnectionError: nobody answers", "c": "ConnectionError: nobody answers"}
    )
