"""What an image's steps install, installed into an empty folder: for machines without an engine."""

import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from replaying import CleanRoot

START_SECONDS = 60


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> CleanRoot:
    root = CleanRoot(tmp_path_factory.mktemp("gateway"))
    root.replay("services/gateway/Dockerfile")
    return root


def test_a_gateway_installed_as_in_its_image_starts_and_ends_when_asked(gateway: CleanRoot) -> None:
    rest, grpc, metrics = free_ports(3)
    settings = {
        "TIDEMILL_REST_PORT": str(rest),
        "TIDEMILL_GRPC_PORT": str(grpc),
        "TIDEMILL_METRICS_PORT": str(metrics),
    }
    with subprocess.Popen(gateway.command("tidemill-gateway"), env=settings, cwd=gateway.root) as process:
        try:
            await_live(f"http://127.0.0.1:{metrics}/livez", process)
            process.send_signal(signal.SIGTERM)

            assert process.wait(START_SECONDS) == 0
        finally:
            process.kill()


def test_a_gateway_s_image_has_one_service_and_no_heavy_library(gateway: CleanRoot) -> None:
    packages = {path.name for path in gateway.root.glob("opt/tidemill/lib/python*/site-packages/*")}

    assert {name for name in packages if name.startswith("tidemill_") and "." not in name} == {
        "tidemill_contracts",
        "tidemill_gateway",
        "tidemill_runtime",
    }
    assert packages.isdisjoint({"tensorflow", "apache_beam", "mlflow", "pyarrow", "pip"})


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def await_live(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - its own address
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"expected {url} to answer in {START_SECONDS} s")
