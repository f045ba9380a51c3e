"""Threads that want numbers of one pipeline from a bucket as slow and strict as Cloud Storage is said to be.

    python -m tidemill_scale.slow_bucket

The real `tidemill_runtime.sequence`, four times as fast, over a store that refuses a second write to one name
within a second. Every line says how often someone asks, and what came of it.
"""

import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence
from tidemill_scale.limited import LimitedStore

PACE = 4.0
NUMBERS = 40


@dataclass(frozen=True)
class Waited:
    """What allocating took, in seconds of the simulated bucket."""

    per_second: float
    p50: float
    worst: float
    refusals: float


def allocate(per_second: float, threads: int = 32) -> Waited:
    """Ask for NUMBERS numbers at random times, so many a second; raises unless each was given once."""
    dice = random.Random(5)  # noqa: S311 - the same times in every run
    with tempfile.TemporaryDirectory() as folder:
        store = LimitedStore(FolderStore(Path(folder) / "bucket"), pace=PACE)
        begin = time.monotonic()
        due, seconds, numbers, lock = begin, [], [], threading.Lock()

        def one(key: int, due: float) -> None:
            time.sleep(max(0.0, due - time.monotonic()))
            number = Sequence(store, "spans", "busy").allocate(str(key))
            with lock:
                numbers.append(number)
                seconds.append((time.monotonic() - due) * PACE)

        with ThreadPoolExecutor(threads) as pool:
            for key in range(NUMBERS):
                due += dice.expovariate(per_second) / PACE
                pool.submit(one, key, due)
        took = (time.monotonic() - begin) * PACE
    assert sorted(numbers) == list(range(1, NUMBERS + 1)), "expected every number once"
    seconds.sort()
    return Waited(NUMBERS / took, seconds[NUMBERS // 2], seconds[-1], store.refusals / NUMBERS)


def main() -> None:
    """Print a line for each rate."""
    columns = "asked/s | given/s | p50 / worst s | refused (429), for each number"
    print(f"| {columns} |\n|{'---|' * len(columns.split(' | '))}")
    for per_second in (0.1, 0.5, 1, 2, 5):
        waited = allocate(per_second)
        print(
            f"| {per_second} | {waited.per_second:.2f} | {waited.p50:.1f} / {waited.worst:.0f} "
            f"| {waited.refusals:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
