"""How a gateway ends: processes, signals and load are real."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gateway_processes import Balancer, GatewayProcess, started
from gateways import wait_until
from releases import ONE_NUMBER
from tiny_models import (
    Arrays,
    ModelServer,
    Serving,
    TinyModel,
    route,
    running_model_server,
    running_serving,
)

PATH = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [2.0]}'


@pytest.fixture
def serving(model_server: ModelServer) -> Iterator[Serving]:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving):
        yield serving


def test_no_request_fails_while_gateways_are_restarted_one_after_another(
    serving: Serving, tmp_path: Path
) -> None:
    settings = {"TIDEMILL_DRAIN_SECONDS": "0.6"}
    gateways = [GatewayProcess(serving.address, tmp_path / f"{number}.log", settings) for number in range(2)]
    balancer = Balancer(tuple(gateways), PATH, BODY)
    codes: list[int] = []

    def restart_all() -> None:
        for gateway in gateways:
            gateway.terminate()
            codes.append(gateway.wait())
            gateway.start()
            wait_until(lambda url=gateway.url: url in balancer.ready)  # type: ignore[misc]

    async def scenario() -> None:
        until = asyncio.Event()
        asking = asyncio.create_task(balancer.run(8, until))
        await asyncio.to_thread(restart_all)
        until.set()
        await asking

    with started(*gateways):
        asyncio.run(scenario())

    assert balancer.failures == []
    assert balancer.answered > 500
    assert codes == [0, 0]


def test_a_gateway_that_is_to_end_says_so_and_goes_on_answering(serving: Serving, tmp_path: Path) -> None:
    gateway = GatewayProcess(serving.address, tmp_path / "log", {"TIDEMILL_DRAIN_SECONDS": "1"})
    with started(gateway), httpx.Client(base_url=gateway.url, timeout=5) as client:
        before = client.post(PATH, content=BODY)
        began = time.monotonic()
        gateway.terminate()
        wait_until(lambda: client.get("/readyz").status_code == 503)
        alive = client.get("/livez").status_code
        during = client.post(PATH, content=BODY)
        code = gateway.wait()
        seconds = time.monotonic() - began

    assert "connection" not in before.headers
    assert (alive, during.status_code, during.headers["connection"]) == (200, 200, "close")
    assert (code, seconds >= 1) == (0, True)


def test_what_is_in_hand_is_finished(tmp_path: Path) -> None:
    serving, let_go = Serving(), threading.Event()

    def run(inputs: Arrays) -> Arrays:
        let_go.wait(30)
        return {"y": inputs["x"]}

    with (
        running_model_server({("half_plus_two", 123): TinyModel(*ONE_NUMBER, run)}) as server,
        running_serving(serving),
        ThreadPoolExecutor(4) as pool,
    ):
        serving.publish(route(server, "half_plus_two", 123))
        settings = {"TIDEMILL_PREDICT_TIMEOUT_SECONDS": "30"}
        gateway = GatewayProcess(serving.address, tmp_path / "log", settings)
        metrics = f"http://127.0.0.1:{gateway.metrics_port}/metrics"
        with started(gateway):
            asked = [pool.submit(httpx.post, gateway.url + PATH, content=BODY, timeout=30) for _ in range(4)]
            all_in_hand = "tidemill_gateway_in_flight_requests 4.0"
            wait_until(lambda: all_in_hand in httpx.get(metrics, timeout=30).text)
            gateway.terminate()
            let_go.set()
            answers = [future.result().status_code for future in asked]
            code = gateway.wait()

    assert (answers, code) == ([200] * 4, 0)


def test_a_second_signal_ends_it_at_once(serving: Serving, tmp_path: Path) -> None:
    gateway = GatewayProcess(serving.address, tmp_path / "log", {"TIDEMILL_DRAIN_SECONDS": "60"})
    with started(gateway):
        gateway.terminate()
        wait_until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 503)
        began = time.monotonic()
        gateway.terminate()
        code = gateway.wait()

    assert code in {0, -signal.SIGTERM}
    assert time.monotonic() - began < 50
