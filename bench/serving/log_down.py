"""What the prediction log costs a request: off, with a bucket that works, and with one that hangs.

    python bench/serving/census.py FOLDER
    python bench/serving/log_down.py FOLDER [--share 1] [--rounds 5]

The bucket that hangs is Cloud Storage's own client, whose server takes connections and never says a word.
Every round asks each gateway in turn; differences are of one round each, and their median counts.
"""

import argparse
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench_gateway import FIRST_PORT, Case, Sample, load, running
from census import rows
from orjson import dumps

CASES = (Case(1, 1), Case(16, 1), Case(64, 1))
OFF, WORKS, HANGS = "off", "bucket works", "bucket hangs"


@contextmanager
def silent_server() -> Iterator[str]:
    """Take connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def command(share: float, **settings: str) -> list[str]:
    """Return how a gateway is started with a log; without settings it has none."""
    key = {"TIDEMILL_PREDICTION_KEY": "a-key-of-this-benchmark", "LOG_SHARE": str(share)} if settings else {}
    key["TIDEMILL_SHUTDOWN_SECONDS"] = "2"
    return [
        "env",
        *(f"{name}={value}" for name, value in (settings | key).items()),
        sys.executable,
        "tidemill.py",
    ]


def counted(port: int) -> Mapping[str, int]:
    """Read how many rows were logged and dropped."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port + 4}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    begin = 'tidemill_gateway_log_rows_total{outcome="'
    found = (line.removeprefix(begin).split('"} ') for line in lines if line.startswith(begin))
    return {outcome: int(float(value)) for outcome, value in found}


def show(case: Case, samples: Mapping[str, list[Sample]]) -> None:
    """Print a table of medians, and of differences from the gateway without a log."""
    print(f"\n{case.connections} connections\n")
    print("| log | requests/s | p50 ms | p99 ms | p50 added ms | p99 added ms | us of a core added |")
    print("|---|---|---|---|---|---|---|")
    for name, rounds in samples.items():
        pairs = list(zip(rounds, samples[OFF], strict=True))
        print(
            f"| {name} | {median(each.rows_per_second for each in rounds):,.0f} "
            f"| {median(each.p50_ms for each in rounds):.2f} | {median(each.p99_ms for each in rounds):.2f} "
            f"| {median(one.p50_ms - other.p50_ms for one, other in pairs):+.2f} "
            f"| {median(one.p99_ms - other.p99_ms for one, other in pairs):+.2f} "
            f"| {median(one.core_us - other.core_us for one, other in pairs):+.1f} |",
            flush=True,
        )


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that census.py wrote")
    parser.add_argument("--share", type=float, default=1, help="of requests that are logged")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hanging = {"STORAGE_EMULATOR_HOST": stack.enter_context(silent_server()), "GOOGLE_CLOUD_PROJECT": "p"}
        commands = {
            OFF: command(options.share),
            WORKS: command(options.share, TIDEMILL_BUCKET_URL=(folder / "bucket").as_uri()),
            HANGS: command(options.share, TIDEMILL_BUCKET_URL="gs://bucket", **hanging),
        }
        servers = {
            name: stack.enter_context(running(each, FIRST_PORT + 100 + 10 * number, options.model.resolve()))
            for number, (name, each) in enumerate(commands.items())
        }
        body = folder / "body.json"
        body.write_bytes(dumps({"instances": rows(1)}))
        for case in CASES:
            samples: dict[str, list[Sample]] = {name: [] for name in servers}
            for _ in range(options.rounds):
                for name, server in servers.items():
                    samples[name].append(load(server, case, body, options.seconds))
            show(case, samples)
        print("\nrows:", {name: counted(server.port) for name, server in servers.items()})


if __name__ == "__main__":
    main()
