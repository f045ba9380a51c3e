"""The pass beside DuckDB and tf.Transform: the same rows, on this machine, one after the other in one run.

    python bench/transform/bench_transform.py /tmp/bench [--copies 10 100] [--rounds 2] [--tft PYTHON]

`--tft` names the interpreter of an environment with tensorflow-transform, which does not fit into this one.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DEADLINE_SECONDS = 3600


@dataclass(frozen=True)
class Figures:
    """What one job did; of several rounds, the fastest."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    rows: int
    spent: dict[str, float]


@dataclass(frozen=True)
class Line:
    """One row of the table: a job, and what it is about."""

    job: str
    does: str
    figures: Figures


def run(command: Sequence[str], rounds: int) -> Figures:
    """Run a job in a process of its own, so many times."""
    best: Figures | None = None
    for _ in range(rounds):
        finished = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
        if finished.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{finished.stderr[-4000:]}")
        figures = Figures(**json.loads(finished.stdout.splitlines()[-1]))
        best = min(best or figures, figures, key=lambda each: each.seconds)
    assert best is not None
    return best


def lines_of(source: str, folder: Path, rounds: int) -> Iterator[Line]:
    """Run every job on one input."""
    for job, does in (
        ("duckdb_csv", "DuckDB: CSV -> SUMMARIZE + COPY to Parquet"),
        ("duckdb_parquet", "DuckDB: the spans' Parquet -> the same"),
        ("tidemill_ingest", "Tidemill ingest: CSV -> typed spans in Parquet"),
        ("tidemill", "Tidemill pass: spans -> 3 profiles, validation, labels, split, Parquet"),
    ):
        figures = run([sys.executable, "jobs.py", job, source, str(folder)], rounds)
        print(f"  {does}: {figures.seconds:.1f} s", file=sys.stderr, flush=True)
        yield Line(job, does, figures)


def show(lines: Sequence[Line]) -> None:
    """Print one input's table, and where the pass spent its time."""
    by_job = {line.job: line.figures for line in lines}
    reference = by_job["duckdb_csv"].seconds
    both = by_job["tidemill_ingest"].seconds + by_job["tidemill"].seconds
    print("| job | seconds | processor s | rows/s | peak MiB | time, DuckDB from CSV = 1 |")
    print("|---|---|---|---|---|---|")
    for line in lines:
        figures = line.figures
        print(
            f"| {line.does} | {figures.seconds:.1f} | {figures.processor_seconds:.1f} "
            f"| {figures.rows / figures.seconds:,.0f} | {figures.peak_mib:,.0f} "
            f"| {figures.seconds / reference:.2f} |"
        )
    print(f"| Tidemill from CSV: ingest + pass | {both:.1f} | | | | {both / reference:.2f} |")
    for job in ("duckdb_csv", "tidemill"):
        spent = ", ".join(f"{step} {seconds:.1f}" for step, seconds in by_job[job].spent.items())
        print(f"\n{job}, seconds: {spent}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="scratch space, 3 GB")
    parser.add_argument("--copies", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tft", help="interpreter of an environment with tensorflow-transform")
    asked = parser.parse_args()
    for source in [*map(str, asked.copies), "wide"]:
        print(f"\n### {source if source == 'wide' else f'flights x {source}'}\n", flush=True)
        folder = asked.folder.resolve() / ("wide" if source == "wide" else "flights")
        show(list(lines_of(source, folder, asked.rounds)))
    if asked.tft:
        csv = asked.folder.resolve() / "flights.csv"
        figures = run([asked.tft, "peer_tf_transform.py", str(csv), str(asked.folder.resolve() / "tft")], 1)
        speed = figures.rows / figures.seconds
        print(f"\ntf.Transform, flights x 1: {figures.seconds:.1f} s, {speed:,.0f} rows/s", flush=True)


if __name__ == "__main__":
    main()
