"""Gateways as processes of their own, and a client that goes by their readiness as a load balancer does."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from gateways import wait_until

PROBE_SECONDS = 0.1


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class GatewayProcess:
    """One gateway, on ports that it keeps when it is started again."""

    serving_address: str
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = {
            "TIDEMILL_REST_PORT": str(self.port),
            "TIDEMILL_METRICS_PORT": str(self.metrics_port),
            "TIDEMILL_GRPC_PORT": str(self.grpc_port),
            "TIDEMILL_SERVING_ADDRESS": self.serving_address,
            **self.settings,
        }
        command = [sys.executable, "-m", "tidemill_gateway"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=log)
        process = self.process
        wait_until(lambda: process.poll() is not None or self.is_ready())
        assert process.poll() is None, "ended instead of starting"

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(30)

    def is_ready(self, worker: int = 0) -> bool:
        """Say whether it is ready, or one of its workers."""
        try:
            url = f"http://127.0.0.1:{self.metrics_port + worker}/readyz"
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def started(*gateways: GatewayProcess) -> Iterator[None]:
    try:
        for gateway in gateways:
            gateway.start()
        yield
    finally:
        for gateway in gateways:
            if gateway.process is not None and gateway.process.poll() is None:
                gateway.process.kill()
                gateway.process.wait(5)


@dataclass
class Balancer:
    """Sends requests to gateways that were ready when last asked; counts answers and failures."""

    gateways: tuple[GatewayProcess, ...]
    path: str
    body: bytes
    ready: set[str] = field(default_factory=set)
    answered: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self, connections: int, until: asyncio.Event) -> None:
        """Ask over so many connections at once, until told to stop."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=5, limits=limits) as client:
            probing = asyncio.create_task(self._probe(client))
            await asyncio.to_thread(wait_until, lambda: bool(self.ready))
            await asyncio.gather(*(self._ask(client, until) for _ in range(connections)))
            probing.cancel()

    async def _ask(self, client: httpx.AsyncClient, until: asyncio.Event) -> None:
        while not until.is_set():
            url = random.choice(sorted(self.ready))
            try:
                answer = await client.post(url + self.path, content=self.body)
            except httpx.TransportError as error:
                self.failures.append(repr(error))
                continue
            if answer.status_code == 200:
                self.answered += 1
            else:
                self.failures.append(answer.text)

    async def _probe(self, client: httpx.AsyncClient) -> None:
        while True:
            for gateway in self.gateways:
                try:
                    answer = await client.get(f"{gateway.url}/readyz")
                    is_ready = answer.status_code == 200
                except httpx.TransportError:
                    is_ready = False
                (self.ready.add if is_ready else self.ready.discard)(gateway.url)
            await asyncio.sleep(PROBE_SECONDS)
