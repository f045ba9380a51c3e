"""The gateway beside FastAPI and KServe: the same model and rows, side by side in one run.

    python bench/serving/census.py FOLDER
    python bench/serving/bench_gateway.py FOLDER [--fastapi PYTHON] [--kserve PYTHON] [--rounds 5]

Servers share the first core, the load (`wrk`) has the second. Every round asks every server in turn, so what
else the machine does meanwhile falls on all of them; ratios are of one round each, and their median counts.
The processor's time for a row is that of all processes of a server: it says how many rows a core can do, also
where the server did not get the core all the time.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from census import rows

HERE = Path(__file__).parent
PATH = "/v1/models/census:predict"
FIRST_PORT = 18100
START_SECONDS = 60
SERVERS_CORE, LOAD_CORE = "0", "1"
OURS = "Tidemill"


@dataclass(frozen=True)
class Case:
    """One kind of load: requests of so many rows on so many connections."""

    connections: int
    rows: int


CASES = (Case(1, 1), Case(16, 1), Case(64, 1), Case(4, 128))


@dataclass(frozen=True)
class Sample:
    """What one server did in one round."""

    rows_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    core_us: float


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and the session that all its processes are in."""

    port: int
    session: int

    def core_seconds(self) -> float:
        """Return the processor's time that it had."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.session:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that census.py wrote")
    parser.add_argument("--fastapi", help="python with fastapi, uvicorn[standard] and tensorflow")
    parser.add_argument("--kserve", help="python with kserve and tensorflow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of load, for each server, case and round")
    options = parser.parse_args()
    commands = {OURS: [sys.executable, "tidemill.py"]}
    if options.fastapi:
        commands["FastAPI + model"] = [options.fastapi, "peer_fastapi.py"]
    if options.kserve:
        commands["KServe V1"] = [options.kserve, "peer_kserve.py"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bodies = {case: _body(folder, case.rows) for case in CASES}
        servers = {
            name: stack.enter_context(running(command, FIRST_PORT + 10 * number, options.model.resolve()))
            for number, (name, command) in enumerate(commands.items())
        }
        for case in CASES:
            print_case(case, measure(servers, case, bodies[case], options.rounds, options.seconds))


@contextmanager
def running(command: Sequence[str], port: int, model: Path) -> Iterator[Server]:
    """Run a server until the block ends; yields it, once it answered."""
    environment = {
        **os.environ,
        "PORT": str(port),
        "MODEL": str(model),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        ["taskset", "-c", SERVERS_CORE, *command],
        cwd=HERE,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for_answer(process, port)
        yield Server(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def measure(
    servers: Mapping[str, Server], case: Case, body: Path, rounds: int, seconds: int
) -> Mapping[str, list[Sample]]:
    """Ask every server in every round."""
    samples: dict[str, list[Sample]] = {name: [] for name in servers}
    for server in servers.values():
        load(server, case, body, 1)
    for _ in range(rounds):
        for name, server in servers.items():
            samples[name].append(load(server, case, body, seconds))
    return samples


def load(server: Server, case: Case, body: Path, seconds: int) -> Sample:
    """Put one server under load."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s"]
    before = server.core_seconds()
    finished = subprocess.run(
        [*command, "-s", str(HERE / "wrk.lua"), f"http://127.0.0.1:{server.port}{PATH}"],
        env={**os.environ, "BODY": str(body)},
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    told = json.loads(finished.stdout.splitlines()[-1])
    return Sample(
        told["requests"] * case.rows / told["microseconds"] * 1e6,
        told["p50"] / 1000,
        told["p99"] / 1000,
        told["errors"],
        (server.core_seconds() - before) * 1e6 / max(1, told["requests"] * case.rows),
    )


def print_case(case: Case, samples: Mapping[str, list[Sample]]) -> None:
    """Print a table: medians, the best round, and how many times as much as a peer ours does."""
    print(f"\n{case.connections} connections, {case.rows} rows a request\n")
    print(
        "| server | rows/s | best | p50 ms | p99 ms | errors | us of a core for a row | ours: speed, core |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, rounds in samples.items():
        pairs = list(zip(samples[OURS], rounds, strict=True))
        speed = median(ours.rows_per_second / max(1, peers.rows_per_second) for ours, peers in pairs)
        core = median(peers.core_us / max(1e-3, ours.core_us) for ours, peers in pairs)
        print(
            f"| {name} | {median(sample.rows_per_second for sample in rounds):,.0f} "
            f"| {max(sample.rows_per_second for sample in rounds):,.0f} "
            f"| {median(sample.p50_ms for sample in rounds):.2f} "
            f"| {median(sample.p99_ms for sample in rounds):.2f} "
            f"| {sum(sample.errors for sample in rounds)} "
            f"| {median(sample.core_us for sample in rounds):.1f} | {speed:.1f}, {core:.1f} |",
            flush=True,
        )


def _body(folder: Path, count: int) -> Path:
    path = folder / f"{count}.json"
    path.write_text(json.dumps({"instances": rows(count)}))
    return path


def _wait_for_answer(process: subprocess.Popen[bytes], port: int) -> None:
    body = json.dumps({"instances": rows(1)}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{PATH}", body, {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310
                json.load(reply)["predictions"][0]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"expected an answer on port {port} within {START_SECONDS} s, got none")


if __name__ == "__main__":
    main()
