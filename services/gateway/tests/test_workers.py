"""Rules of several workers: one port, one page of metrics, and a worker's end is nobody else's."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from gateway_processes import GatewayProcess, started
from gateways import wait_until
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts.api_keys import ApiKeys, Role, new_key

PREDICT = "/v1/models/half_plus_two:predict"
WORKERS = 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def running_workers(model_server: ModelServer, log: Path, **settings: str) -> Iterator[GatewayProcess]:
    """Run them; all are ready."""
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving):
        gateway = GatewayProcess(serving.address, log, {"TIDEMILL_WORKERS": str(WORKERS), **settings})
        with started(gateway):
            for worker in range(1, WORKERS + 1):
                wait_until(partial(gateway.is_ready, worker), 60)
            yield gateway
            gateway.terminate()
            gateway.wait()


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


def supervisor(gateway: GatewayProcess) -> subprocess.Popen[bytes]:
    assert gateway.process is not None
    return gateway.process


def is_running(pid: int) -> bool:
    return state_of(pid) not in ("", "Z")


def state_of(pid: int) -> str:
    """Return the letter that the system has for the state of a process, nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_workers_share_a_port_and_survive_each_other(model_server: ModelServer, tmp_path: Path) -> None:
    expected = {"predictions": [3.0]}
    with running_workers(model_server, tmp_path / "log") as gateway:
        process, url = supervisor(gateway), gateway.url + PREDICT
        metrics = f"http://127.0.0.1:{gateway.metrics_port}/metrics"
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
    with running_workers(model_server, tmp_path / "log") as gateway:
        process = supervisor(gateway)
        workers = children(process)
        process.kill()
        process.wait(30)

        wait_until(lambda: not any(map(is_running, workers)), 60)


def test_a_quota_is_counted_by_all_workers_together(model_server: ModelServer, tmp_path: Path) -> None:
    roles = frozenset({Role.PREDICT})
    keys = [new_key(name, roles, NOW, quota_per_second=0.001, burst=3) for name in ("one", "other")]
    (tmp_path / "keys.json").write_text(ApiKeys(keys=tuple(kept for _, kept in keys)).model_dump_json())
    settings = {"TIDEMILL_API_KEYS_FILE": str(tmp_path / "keys.json")}
    with running_workers(model_server, tmp_path / "log", **settings) as gateway:
        first, second = children(supervisor(gateway))
        with paused(first):
            by_second = [status(gateway, keys[0][0]) for _ in range(2)]
        with paused(second):
            by_first = [status(gateway, keys[0][0]) for _ in range(2)]
            others = status(gateway, keys[1][0])
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: not is_running(second))
        wait_until(lambda: second not in children(supervisor(gateway)) and gateway.is_ready(2), 60)
        with paused(first):
            by_successor = status(gateway, keys[0][0])

    assert (by_second, by_first, others) == ([200, 200], [200, 429], 200)
    assert by_successor == 429


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Let a worker take no connections, so that another one does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: state_of(pid) == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def status(gateway: GatewayProcess, key: str) -> int:
    """Ask over a connection of its own."""
    headers = {"authorization": f"Bearer {key}"}
    body = {"instances": [2.0]}
    return httpx.post(gateway.url + PREDICT, json=body, headers=headers, timeout=30).status_code
