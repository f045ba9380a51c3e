"""One server for the whole list of checks, and every client's outcomes, each from its own interpreter."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from checks import CLIENTS
from servers import Addresses, peer, tidemill

HERE = Path(__file__).parent
CLIENT_SECONDS = 800
OURS = "tidemill"

Outcomes = Mapping[str, str | None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-server", default=OURS, help="tidemill, mlserver or kserve")
    parser.addoption("--conformance-results", help="file for the outcomes, as JSON")


def interpreter(environment: str) -> Path:
    """Return the interpreter of a client's environment; it may be missing."""
    home = os.environ.get("TIDEMILL_CONFORMANCE_HOME") or Path.home() / ".cache" / "tidemill-conformance"
    return Path(home) / environment / "bin" / "python" if environment else Path(sys.executable)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    name = request.config.getoption("--conformance-server")
    folder = tmp_path_factory.mktemp(name)
    running = tidemill(folder) if name == OURS else peer(name, interpreter(name), folder)
    with running as addresses:
        yield addresses


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, server: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Outcomes]]:
    """Return a client's outcomes; a client is run once. Skips where its environment is not installed."""
    results: dict[str, Outcomes] = {}

    @cache
    def of(client: str) -> Outcomes:
        python = interpreter(CLIENTS[client].environment)
        if not python.exists():
            pytest.skip(f"{client}: no environment {python}; `make conformance` installs it")
        command = [str(python), str(HERE / "clients" / "run_checks.py"), client, server.rest, server.grpc]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        results[client] = json.loads(done.stdout.strip().splitlines()[-1])
        return results[client]

    yield of
    path = request.config.getoption("--conformance-results")
    if path:
        Path(path).write_text(json.dumps(_published(results), indent=1, sort_keys=True) + "\n")


def _published(results: Mapping[str, Outcomes]) -> Mapping[str, Outcomes]:
    # Of a failure its kind alone: messages name addresses and files that are others every time.
    return {
        client: {check: error and error.partition(":")[0] for check, error in outcomes.items()}
        for client, outcomes in results.items()
    }
