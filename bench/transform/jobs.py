"""The jobs that are compared. Each runs in a process of its own: `python jobs.py JOB INPUT FOLDER`.

It prints one line of JSON: seconds of wall and processor time from its first read to its last write (imports
and making of inputs are not in it), the process's peak memory, and of the pass, where the time went.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from shutil import rmtree
from typing import Any

import duckdb
from inputs import Input, flights, ingest, wide

from tidemill_contracts.manifest import SpanManifest
from tidemill_transform import beam_pass
from tidemill_transform.features import choose
from tidemill_transform.fitness import unfitness
from tidemill_transform.plan import Plan, Report, reconcile
from tidemill_transform.planning import make_plan
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.validation import validate
from tidemill_transform.window import Window

STEPS = {
    "read": (beam_pass.ReadRows, "process"),
    "check": (beam_pass.CheckRows, "process"),
    "label": (beam_pass.LabelRows, "process"),
    "split": (beam_pass.SplitSides, "process"),
    "sketch": (beam_pass.ProfileRows, "add_input"),
    "profile": (beam_pass.ProfileRows, "extract_output"),
    "wait for writing": (beam_pass.WriteShards, "process"),
    "and at the end": (beam_pass.WriteShards, "finish_bundle"),
    "report": (beam_pass.WriteReport, "process"),
}


def tidemill(source: Input, folder: Path) -> dict[str, float]:
    """Read spans, check, label and split their rows, profile three ways, write Parquet, validate."""
    spent = _watch_steps()
    window = _window(folder, source.copies)
    out = folder / "datasets"
    rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    plan = make_plan(window, source.spec, lambda name: _uri(folder, name), IN_MEMORY)
    report = beam_pass.run_pass(plan)
    passed = time.perf_counter()
    _check(report, plan, window, source)
    spent["validate"] = time.perf_counter() - passed
    spent["runner"] = time.perf_counter() - began - sum(spent.values())
    return spent


def tidemill_ingest(source: Input, folder: Path) -> dict[str, float]:
    """Turn the CSV files into spans."""
    ingest(source, folder, source.copies)
    return {}


def duckdb_csv(source: Input, folder: Path) -> dict[str, float]:
    """SUMMARIZE the CSV files, and COPY them to Parquet, in two statements."""
    return _duckdb(f"read_csv({[str(source.csv)] * source.copies})", folder)


def duckdb_parquet(source: Input, folder: Path) -> dict[str, float]:
    """The same from the spans' Parquet, where the pass starts."""
    return _duckdb(f"read_parquet({[str(folder / 'data.parquet')] * source.copies})", folder)


def _duckdb(relation: str, folder: Path) -> dict[str, float]:
    connection = duckdb.connect()
    began = time.perf_counter()
    connection.sql(f"SUMMARIZE FROM {relation}").fetchall()
    summarized = time.perf_counter()
    connection.sql(f"COPY (FROM {relation}) TO '{folder / 'duckdb.parquet'}' (FORMAT parquet)")
    return {"summarize": summarized - began, "copy": time.perf_counter() - summarized}


def _window(folder: Path, spans: int) -> Window:
    """A window of the one span so many times over."""
    manifest = SpanManifest.model_validate_json((folder / "manifest.json").read_text())
    numbered = dict.fromkeys(range(1, spans + 1), manifest)
    return Window(pipeline="bench", spec_digest="bench", spans=numbered, declared={})


def _uri(folder: Path, name: str) -> str:
    return str(folder / "data.parquet" if name.startswith("spans/") else folder / name)


def _check(report: Report, plan: Plan, window: Window, source: Input) -> None:
    reconcile(report, {number: span.rows for number, span in window.spans.items()})
    anomalies = validate(report, report.train, source.spec)
    choice = choose(report.train, source.spec, plan.label.columns, ())
    reasons = unfitness(report, choice, anomalies, source.spec.validation)
    assert not reasons, reasons
    assert report.total("rows_read") == source.rows


def _watch_steps() -> dict[str, float]:
    """Count the seconds that each step of the pass spends, without those of the steps that it feeds."""
    spent = dict.fromkeys(STEPS, 0.0)
    for step, (owner, name) in STEPS.items():
        setattr(owner, name, _watched(getattr(owner, name), step, spent))
    return spent


def _watched(work: Callable[..., Any], step: str, spent: dict[str, float]) -> Callable[..., Any]:
    @wraps(work)
    def watched(*arguments: Any) -> Any:
        began = time.perf_counter()
        result = work(*arguments)
        spent[step] += time.perf_counter() - began
        return _watched_items(result, step, spent) if isinstance(result, Iterator) else result

    return watched


def _watched_items(items: Iterator[Any], step: str, spent: dict[str, float]) -> Iterator[Any]:
    while True:
        began = time.perf_counter()
        item = next(items, None)
        spent[step] += time.perf_counter() - began
        if item is None:
            return
        yield item


JOBS = {job.__name__: job for job in (tidemill, tidemill_ingest, duckdb_csv, duckdb_parquet)}


def main(job: str, source: str, folder: Path) -> None:
    """Run one job and print its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = wide(folder.parent) if source == "wide" else flights(folder.parent, int(source))
    if job in ("tidemill", "duckdb_parquet") and not (folder / "manifest.json").exists():
        ingest(chosen, folder, 1)
    wall, processor = time.perf_counter(), time.process_time()
    spent = JOBS[job](chosen, folder)
    figures = {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": chosen.rows,
        "spent": spent,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
