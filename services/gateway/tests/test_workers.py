"""Rules of several workers: one port, one page of metrics, and a worker's end is nobody else's."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from gateways import wait_until
from test_service import free_port, is_up
from tiny_models import ModelServer, Serving, route, running_serving

PREDICT = "/v1/models/half_plus_two:predict"
WORKERS = 2


@contextmanager
def running_workers(
    model_server: ModelServer, log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """Run them; yields their supervisor, the URL of the API and that of the metrics."""
    rest, ops, serving = free_port(), free_port(), Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving), log.open("w") as stderr:
        settings = {
            "TIDEMILL_WORKERS": str(WORKERS),
            "TIDEMILL_REST_PORT": str(rest),
            "TIDEMILL_GRPC_PORT": str(free_port()),
            "TIDEMILL_METRICS_PORT": str(ops),
            "TIDEMILL_SERVING_ADDRESS": serving.address,
            "TIDEMILL_DRAIN_SECONDS": "0",
        }
        command = [sys.executable, "-m", "tidemill_gateway"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=stderr)
        try:
            with httpx.Client(timeout=5) as client:
                for worker in range(1, WORKERS + 1):
                    wait_until(lambda: is_up(client, f"http://127.0.0.1:{ops + worker}/readyz"), 30)  # noqa: B023
                wait_until(lambda: is_up(client, f"http://127.0.0.1:{ops}/readyz"), 30)
            yield process, f"http://127.0.0.1:{rest}{PREDICT}", f"http://127.0.0.1:{ops}/metrics"
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str, connections: int) -> list[object]:
    """Ask over several connections at once, as which worker takes one is chance."""
    clients = [httpx.Client(timeout=10) for _ in range(connections)]
    try:
        return [client.post(url, json={"instances": [2.0]}).json() for client in clients for _ in range(2)]
    finally:
        for client in clients:
            client.close()


def counted(metrics: str) -> float:
    """Return how many answers all workers counted."""
    text = httpx.get(metrics, timeout=10).text
    assert 'worker="1"' in text
    assert text.count("# TYPE tidemill_gateway_request_seconds histogram") == 1
    lines = re.findall(r"^tidemill_gateway_request_seconds_count\{.*\} (.*)$", text, re.MULTILINE)
    return sum(map(float, lines))


def children(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_share_a_port_and_survive_each_other(model_server: ModelServer, tmp_path: Path) -> None:
    expected = {"predictions": [3.0]}
    with running_workers(model_server, tmp_path / "log") as (process, url, metrics):
        assert answers(url, 10) == [expected] * 20
        assert counted(metrics) == 20

        first, second = children(process)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not is_running(first))
        assert answers(url, 5) == [expected] * 10
        wait_until(lambda: len([pid for pid in children(process) if is_running(pid)]) == WORKERS, 30)
        workers = children(process)

    assert second in workers
    assert process.returncode == 0
    assert not any(map(is_running, workers))


def test_no_worker_outlives_who_watches_over_it(model_server: ModelServer, tmp_path: Path) -> None:
    with running_workers(model_server, tmp_path / "log") as (process, _, _):
        workers = children(process)
        process.kill()
        process.wait(5)

        wait_until(lambda: not any(map(is_running, workers)), 15)
