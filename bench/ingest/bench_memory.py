"""How much memory, and how long, it takes to ingest a CSV file that is larger than the memory of a pod.

    python bench/ingest/bench_memory.py --gigabytes 5 --folder DIR

The rows are the flights of `examples/flights`, over and over. A process of its own does what the service does
with a notification: fetch, check, infer types, classify, write the span. DIR needs three times the size.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLIGHTS = Path(__file__).resolve().parents[2] / "examples" / "flights"
MAX_RESIDENT_BYTES = 1 << 30
PROGRAM = """
import json, resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest.handlers import Ingest
from tidemill_runtime.folder import FolderStore

folder = Path(sys.argv[1])
store = FolderStore(folder / "bucket")
found = store.stat("drops/flights/flights.csv")
new = ObjectFinalized(bucket=store.bucket, name=found.name, generation=found.generation,
                      size_bytes=found.size_bytes, time=datetime.now(UTC), crc32c=found.crc32c)
begin = time.perf_counter()
(event,) = Ingest(store, folder, max_file_bytes=found.size_bytes)(new)
seconds = time.perf_counter() - begin
unit = 1 if sys.platform == "darwin" else 1024
resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps({"rows": event.rows, "rejected": event.rows_rejected, "bytes": found.size_bytes,
                  "seconds": seconds, "resident": resident}))
"""


def write_drop(folder: Path, size_bytes: int) -> None:
    """Write a bucket with one large drop in it."""
    drop = folder / "bucket" / "drops" / "flights" / "flights.csv"
    spec = folder / "bucket" / "pipelines" / "flights.yaml"
    for path in (drop, spec):
        path.parent.mkdir(parents=True)
    spec.write_bytes((FLIGHTS / "pipeline.yaml").read_bytes())
    header, *months = [
        text for path in sorted(FLIGHTS.glob("*.csv")) for text in path.read_bytes().split(b"\n", 1)
    ]
    rows = b"".join(months[::2])
    with drop.open("wb") as file:
        file.write(header + b"\n")
        while file.tell() + len(rows) < size_bytes:
            file.write(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--folder", type=Path, help="where to work; the system's temporary folder otherwise")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        write_drop(Path(folder), int(chosen.gigabytes * 1e9))
        command = [sys.executable, "-c", PROGRAM, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=7200)
    figures = json.loads(done.stdout)
    print(
        f"{figures['bytes'] / 1e9:.2f} GB, {figures['rows']:,} rows ({figures['rejected']:,} rejected) in "
        f"{figures['seconds']:.0f} s: {figures['rows'] / figures['seconds']:,.0f} rows/s, "
        f"{figures['bytes'] / figures['seconds'] / 1e6:.0f} MB/s, "
        f"at most {figures['resident'] / 2**20:.0f} MiB resident"
    )
    assert figures["resident"] < MAX_RESIDENT_BYTES


if __name__ == "__main__":
    main()
