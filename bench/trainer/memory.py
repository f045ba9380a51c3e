"""Peak resident memory of a training job, by rows: the flights of two months, so many times over.

    nice python bench/trainer/memory.py /tmp/bench [--rows 100000 1000000 10000000] [--memory 4Gi]

A job that runs out of its memory fails here; rows that do not fit are sampled, which the table tells.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.manifest import LABEL_COLUMN, DatasetManifest
from tidemill_contracts.pipeline import Metadata, Pipeline, PipelineSpec
from tidemill_contracts.profile import (
    ColumnProfile,
    Feature,
    LabelProfile,
    NumericProfile,
    Profile,
)
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.trainings import Training, Trainings, model_id

FLIGHTS = Path(__file__).parents[2] / "examples/flights"
NUMBERS = ("month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute")
CATEGORIES = ("carrier", "tailnum", "origin", "dest")
FEATURES = (
    *(Feature(name=name, kind="numeric") for name in NUMBERS),
    *(Feature(name=name, kind="categorical") for name in CATEGORIES),
)
SHARD_ROWS = 500_000
HELD_OUT_SHARE = 0.2
MIB = 1 << 20
DEADLINE_SECONDS = 3600


@dataclass(frozen=True)
class Figures:
    """What one job took."""

    rows: int
    rows_learned: int
    peak_mib: float
    seconds: float
    metrics: dict[str, dict[str, float]]


def main() -> None:
    """Print a line per number of rows, and everything as JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--memory", default="4Gi")
    parser.add_argument("--budget", default="15m", help="`fast` learns from fewer rows, whatever fits.")
    parser.add_argument(
        "--families", nargs="+", default=["deep", "boosted-trees", "random-forest", "ensemble"]
    )
    arguments = parser.parse_args()
    found = []
    for rows in arguments.rows:
        training = {
            "families": arguments.families,
            "budget": arguments.budget,
            "resources": {"memory": arguments.memory},
        }
        spec = PipelineSpec.model_validate({"label": "late", "training": training})
        figures = run(arguments.folder / f"{rows}-{arguments.memory}", rows, spec)
        found.append(figures)
        print(
            f"{figures.rows:>11,} rows, {figures.rows_learned:>10,} learned: {figures.peak_mib:7,.0f} MiB of "
            f"{arguments.memory}, {figures.seconds:6.1f} s",
            flush=True,
        )
        limit = spec.training.resources.memory_bytes / MIB
        assert figures.peak_mib <= limit, f"expected at most {limit} MiB, received {figures.peak_mib}"
    print(json.dumps([vars(figures) for figures in found]))


def run(folder: Path, rows: int, spec: PipelineSpec) -> Figures:
    """Train on so many rows in a process of its own."""
    store = FolderStore(folder / "bucket")
    training = write_dataset(store, rows, Pipeline(metadata=Metadata(name="flights"), spec=spec))
    environment = {
        **os.environ,
        "TIDEMILL_BUCKET_URL": (folder / "bucket").absolute().as_uri(),
        "TIDEMILL_TRACKING_URI": "sqlite:///:memory:",
        "TIDEMILL_SCRATCH_FOLDER": str(folder / "scratch"),
    }
    command = [sys.executable, "-m", "tidemill_trainer.job", "--intent", training.name, "--attempt", "1"]
    begin = time.monotonic()
    with (folder / "job.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    if status:
        raise SystemExit(f"expected a job that ends well, received {status}; see {folder / 'job.log'}")
    candidates = [candidate for _, candidate in Trainings(store).candidates(training)]
    return Figures(
        rows=rows,
        rows_learned=int(candidates[0].params["rows_learned"]),
        peak_mib=usage.ru_maxrss / 1024,
        seconds=seconds,
        metrics={candidate.family: candidate.metrics for candidate in candidates},
    )


def write_dataset(store: FolderStore, rows: int, pipeline: Pipeline) -> Training:
    """Write a dataset version as transform does, and the intent to train on it."""
    base = _flights()
    rows_eval = int(rows * HELD_OUT_SHARE)
    sides = {"train": rows - rows_eval, "eval": rows_eval}
    files = {
        side: [*_write_shards(store, base, side, side_rows, pipeline.name)]
        for side, side_rows in sides.items()
    }
    training = Training(
        pipeline=pipeline.name,
        model_id=model_id("flights-1", pipeline.digest()),
        dataset=1,
        dataset_id="flights-1",
        newest_span=1,
        spec_digest=pipeline.digest(),
        correlation_id="bench",
        causation_id=None,
        accepted_at=datetime.now(UTC),
    )
    manifest = DatasetManifest(
        **training.model_dump(include={"pipeline", "dataset", "dataset_id", "spec_digest"}),
        spans=(1,),
        span_ids=("span-1",),
        rows_in=rows,
        rows_train=sides["train"],
        rows_eval=rows_eval,
        rows_unlabelled=0,
        train_files=tuple(files["train"]),
        eval_files=tuple(files["eval"]),
        features=FEATURES,
        left_out=(),
    )
    profile = _profile(base, sides["train"])
    for file, content in (("manifest.json", manifest), ("profile.json", profile)):
        store.write(layout.dataset(pipeline.name, "flights-1", file), content.model_dump_json().encode())
    store.create(layout.pinned_spec(pipeline.name, pipeline.digest()), pipeline.to_json().encode())
    return Trainings(store).accept(training)


def _write_shards(store: FolderStore, base: pa.Table, side: str, rows: int, pipeline: str) -> Iterator[str]:
    random = np.random.default_rng(len(side))
    for number, start in enumerate(range(0, rows, SHARD_ROWS)):
        places = random.integers(len(base), size=min(SHARD_ROWS, rows - start))
        sink = pa.BufferOutputStream()
        pq.write_table(base.take(places), sink, compression="zstd")
        name = f"{side}/{1:010d}-{number:05d}.parquet"
        store.write(layout.dataset(pipeline, "flights-1", name), sink.getvalue().to_pybytes())
        yield name


def _flights() -> pa.Table:
    options = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    tables = [pyarrow.csv.read_csv(file, convert_options=options) for file in sorted(FLIGHTS.glob("*.csv"))]
    raw = pa.concat_tables(tables, promote_options="permissive")
    raw = raw.filter(pc.is_valid(raw["arr_delay"]))
    label = pc.greater_equal(raw["arr_delay"], 15)
    return raw.select([*NUMBERS, *CATEGORIES]).append_column(LABEL_COLUMN, label).combine_chunks()


def _profile(base: pa.Table, rows: int) -> Profile:
    true = int(rows * pc.mean(base[LABEL_COLUMN]).as_py())
    label = LabelProfile(task="binary", classes=(("false", rows - true), ("true", true)))
    return Profile(rows=rows, label=label, columns=tuple(_columns(base, rows)))


def _columns(base: pa.Table, rows: int) -> Sequence[ColumnProfile]:
    return [
        ColumnProfile(
            name=name,
            type="float" if name in NUMBERS else "string",
            rows=rows,
            nulls=base[name].null_count,
            distinct_estimate=len(base[name].unique()),
            numeric=_numeric(base[name]) if name in NUMBERS else None,
        )
        for name in (*NUMBERS, *CATEGORIES)
    ]


def _numeric(column: pa.ChunkedArray) -> NumericProfile:
    numbers = column.drop_null().to_numpy().astype(np.float64)
    return NumericProfile(
        minimum=numbers.min(),
        maximum=numbers.max(),
        mean=numbers.mean(),
        stddev=numbers.std(),
        quantiles=tuple(np.quantile(numbers, np.linspace(0, 1, 101))),
    )


if __name__ == "__main__":
    main()
