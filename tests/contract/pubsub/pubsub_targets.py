"""The servers the contract holds for: the embedded broker, and Google's emulator where it is installed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen

START_SECONDS = 20.0
_SDK_ROOTS = ("/usr/lib/google-cloud-sdk", "/usr/lib64/google-cloud-sdk", "/opt/google-cloud-sdk")


@dataclass
class Broker:
    """The embedded broker as a process on one file; it may be killed and started again on the same port."""

    data: Path
    port: int = 0
    metrics_address: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, max_file_kilobytes: int | None = None) -> None:
        """Start and wait until ready; with a limit, no file of the broker may grow past it."""
        command = self._command()
        if max_file_kilobytes is not None:
            command = ["bash", "-c", f'ulimit -f {max_file_kilobytes}; exec "$@"', "bash", *command]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready, f"the broker ended with code {self._process.wait(START_SECONDS)} before it was ready"
        addresses = json.loads(ready)
        self.port = int(addresses["address"].rpartition(":")[2])
        self.metrics_address = addresses["metrics_address"]

    def fail_to_start(self) -> tuple[int, str]:
        """Expect the broker to refuse to start; returns its exit code and what it said."""
        ended = subprocess.run(
            self._command(), capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        return ended.returncode, ended.stderr

    def health(self, path: str) -> int:
        """The HTTP status of `/livez` or `/readyz`."""
        connection = HTTPConnection(self.metrics_address, timeout=START_SECONDS)
        connection.request("GET", path)
        return connection.getresponse().status

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as Prometheus writes them."""
        with urlopen(f"http://{self.metrics_address}/metrics", timeout=START_SECONDS) as response:
            lines = response.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {sample: float(value) for sample, _, value in samples}

    def _command(self) -> list[str]:
        options = ["--port", str(self.port), "--data", str(self.data), "--metrics-port", "0"]
        return [sys.executable, "-m", "tidemill_local.broker", *options]

    def kill(self) -> None:
        self._stop(signal.SIGKILL)

    def terminate(self) -> int:
        return self._stop(signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(START_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code


@contextmanager
def running_broker(data: Path) -> Iterator[Broker]:
    """The embedded broker on a free port."""
    broker = Broker(data)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def running_emulator(jar: Path) -> Iterator[str]:
    """Google's emulator on a free port; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["java", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(START_SECONDS)


def find_emulator() -> Path | None:
    """The emulator's jar, or None where the Cloud SDK component or Java is not installed."""
    if shutil.which("java") is None:
        return None
    roots = [os.environ.get("CLOUDSDK_ROOT_DIR", ""), *_SDK_ROOTS, str(_sdk_of_gcloud())]
    for root in filter(None, roots):
        jars = sorted(Path(root, "platform", "pubsub-emulator", "lib").glob("*.jar"))
        if jars:
            return jars[-1]
    return None


def _sdk_of_gcloud() -> Path:
    gcloud = shutil.which("gcloud") or "/nonexistent/bin/gcloud"
    return Path(gcloud).resolve().parents[1]


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"expected a server on port {port} within {START_SECONDS} s")
