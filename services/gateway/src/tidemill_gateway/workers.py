"""Several gateways behind one port, where one core is not enough: this process only watches over them.

They share the listening socket, so a new connection goes to one that has time; one that ends takes nothing
with it but its own requests, and is replaced. Quotas are counted by all together; limits of overload and kept
answers are of each worker.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tidemill_gateway.settings import Settings, inherited_environment
from tidemill_runtime.logs import get_logger
from tidemill_runtime.ops import OpsServer, failing

PROBE_SECONDS = 2.0
RESTART_SECONDS = 1.0
ORPHAN_SECONDS = 0.5
BACKLOG = 2048


class Worker:
    """One gateway process; its operations port is `number` above the first one.

    What it has in common with the others are `shared` descriptors, by the names of their settings.
    """

    def __init__(self, settings: Settings, number: int, shared: Mapping[str, int]) -> None:
        self.number = number
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
        self._url = f"http://{host}:{settings.metrics_port + number}"
        self._shared = shared
        self._environment = {
            **inherited_environment(),
            **{name: str(descriptor) for name, descriptor in shared.items()},
            "TIDEMILL_METRICS_PORT": str(settings.metrics_port + number),
        }
        self.process = self._started()

    def replace_if_ended(self) -> None:
        """Start another process in place of one that ended."""
        if self.process.poll() is not None:
            get_logger().error("worker-ended", worker=self.number, status=self.process.returncode)
            time.sleep(RESTART_SECONDS)
            self.process = self._started()

    def read(self, path: str) -> str:
        """Return what the worker's operations port says; raises OSError."""
        with urllib.request.urlopen(self._url + path, timeout=PROBE_SECONDS) as reply:  # noqa: S310 - own
            return str(reply.read().decode())

    def check(self, path: str) -> None:
        """Raise unless a probe succeeds."""
        self.read(path)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tidemill_gateway"]
        descriptors = tuple(self._shared.values())
        return subprocess.Popen(command, env=self._environment, pass_fds=descriptors)  # noqa: S603 - own


class WorkerMetrics(Collector):
    """The series of all workers, each with a label `worker`."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """Ask all of them; one that does not answer is left out."""
        families: dict[str, Metric] = {}
        for worker in self._workers:
            try:
                text = worker.read("/metrics")
            except OSError as error:
                get_logger().warning("worker-metrics-missing", worker=worker.number, error=str(error))
                continue
            for family in text_string_to_metric_families(text):
                whole = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    labels = {**sample.labels, "worker": str(worker.number)}
                    whole.samples.append(sample._replace(labels=labels))
        yield from families.values()


def supervise(settings: Settings) -> None:
    """Run the workers until SIGTERM or Ctrl-C, then until they have ended in order."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        socket.create_server((settings.host, settings.rest_port), backlog=BACKLOG) as listener,
        tempfile.TemporaryFile() as quotas,
    ):
        shared = {"TIDEMILL_LISTENING_SOCKET": listener.fileno(), "TIDEMILL_QUOTA_FILE": quotas.fileno()}
        workers = [Worker(settings, number + 1, shared) for number in range(settings.workers)]
        ops = _ops_server(settings, workers)
        ops.start()
        try:
            while not stop.wait(0.2):
                for worker in workers:
                    worker.replace_if_ended()
        finally:
            _end(workers, settings.drain_seconds + settings.shutdown_seconds + RESTART_SECONDS)
            ops.stop()


def end_with_supervisor() -> None:
    """Have this worker end, in order, once nobody watches over it any longer."""
    supervisor = os.getppid()

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(ORPHAN_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor", daemon=True).start()


def _ops_server(settings: Settings, workers: list[Worker]) -> OpsServer:
    registry = CollectorRegistry()
    registry.register(WorkerMetrics(workers))

    def checks(path: str) -> dict[str, Callable[[], None]]:
        return {f"worker {worker.number}": partial(worker.check, path) for worker in workers}

    def check_ready() -> None:
        failures = failing(checks("/readyz"))
        if len(failures) == len(workers):
            raise RuntimeError(f"expected a worker that is ready, got {failures}")

    return OpsServer(
        settings.host,
        settings.metrics_port,
        live=checks("/livez"),
        ready={"workers": check_ready},
        registry=registry,
    )


def _end(workers: list[Worker], patience_seconds: float) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + patience_seconds
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
