"""A large file needs no large memory."""

import subprocess
import sys
from pathlib import Path

FILE_BYTES = 300 << 20
MAX_RESIDENT_BYTES = 600 << 20
PROGRAM = """
import resource, sys
from pathlib import Path
from tidemill_ingest.plan import Expected
from tidemill_ingest.span import write_span
span = write_span(Path(sys.argv[1]), Path(sys.argv[2]), Expected(), 1 << 40)
unit = 1 if sys.platform == "darwin" else 1024
print(span.rows, span.rows_rejected, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""
# A process inherits the high-water mark of the one that starts it: start from a small one.
START = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], timeout=60).returncode)"


def test_a_large_csv_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    cell = "some text that is as long as text in tables often is and repeated so that rows are few "
    good = "".join(f"{n},{n / 7},2013-01-{n % 28 + 1:02} 05:00,{n}-{cell * 4}\n" for n in range(10_000))
    block = good + "ragged\n" * 100
    blocks = FILE_BYTES // len(block)
    with (tmp_path / "source").open("w") as file:
        file.write("n,share,at,words\n")
        for _ in range(blocks):
            file.write(block)
    result = subprocess.run(
        [sys.executable, "-c", START, sys.executable, "-c", PROGRAM, tmp_path / "source", tmp_path],
        capture_output=True,
        text=True,
        timeout=70,
        check=True,
    )
    rows, rejected, resident_bytes = map(int, result.stdout.split())

    assert (rows, rejected) == (10_000 * blocks, 100 * blocks)
    assert resident_bytes < MAX_RESIDENT_BYTES
