"""The servers under test: Tidemill's gateway with its local model server, or a peer with the same models."""

import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from saved_models import VERSIONS, save_models
from tiny_models import Serving, running_serving

from tidemill_contracts import tfserving
from tidemill_contracts.pb.routes_pb2 import Route

HERE = Path(__file__).parent
START_SECONDS = 90


@dataclass(frozen=True)
class Addresses:
    """Where a server under test answers, `host:port` each, and its process; `metrics` only of ours."""

    rest: str
    grpc: str
    process_id: int
    metrics: str = ""


@contextmanager
def tidemill(folder: Path) -> Iterator[Addresses]:
    """Run a gateway before a model server until the block ends; models and logs go below `folder`."""
    save_models(folder)
    serving = Serving()
    with ExitStack() as stack:
        model_server = stack.enter_context(_model_server(folder))
        serving.publish(*(_route(model_server, name) for name in VERSIONS))
        stack.enter_context(running_serving(serving))
        rest, grpc, metrics = _free_port(), _free_port(), _free_port()
        settings = {
            "TIDEMILL_BUCKET_URL": "file:///nowhere",
            "TIDEMILL_REST_PORT": str(rest),
            "TIDEMILL_GRPC_PORT": str(grpc),
            "TIDEMILL_METRICS_PORT": str(metrics),
            "TIDEMILL_SERVING_ADDRESS": serving.address,
        }
        command = [sys.executable, "-m", "tidemill_gateway"]
        gateway = stack.enter_context(_running(command, folder / "gateway.log", settings))
        _wait_for(f"http://127.0.0.1:{rest}/readyz", gateway, folder / "gateway.log")
        yield Addresses(f"127.0.0.1:{rest}", f"127.0.0.1:{grpc}", gateway.pid, f"127.0.0.1:{metrics}")


@contextmanager
def peer(name: str, interpreter: Path, folder: Path) -> Iterator[Addresses]:
    """Run `peers/NAME.py` under its own interpreter until the block ends."""
    rest, grpc = _free_port(), _free_port()
    command = [str(interpreter), str(HERE / "peers" / f"{name}_server.py"), str(rest), str(grpc)]
    with _running(command, folder / f"{name}.log", {}) as process:
        _wait_for(f"http://127.0.0.1:{rest}/v2/health/ready", process, folder / f"{name}.log")
        yield Addresses(f"127.0.0.1:{rest}", f"127.0.0.1:{grpc}", process.pid)


@contextmanager
def _model_server(folder: Path) -> Iterator[str]:
    configs = [
        {"name": name, "base_path": str(folder / name), "model_platform": "tensorflow"} for name in VERSIONS
    ]
    config = folder / "models.config"
    config.write_text(str(tfserving.ModelServerConfig(model_config_list={"config": configs})))
    module = ["-m", "tidemill_local.modelserver", "--port=0", f"--model_config_file={config}"]
    with _running([sys.executable, *module], folder / "modelserver.log", {}, subprocess.PIPE) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        assert line, (folder / "modelserver.log").read_text()[-2000:]
        yield json.loads(line)["grpc"]


def _route(address: str, model: str) -> Route:
    version = VERSIONS[model]
    labels = {"stable": version}
    return Route(
        model=model, address=address, stable_version=version, loaded_versions=[version], labels=labels
    )


@contextmanager
def _running(
    command: list[str], log: Path, settings: Mapping[str, str], stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as errors, ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=stdout, stderr=errors, env={**os.environ, **settings})
        )
        stack.callback(process.kill)
        yield process
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"expected {url} to answer, log: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
