"""How fast MLflow lists what was trained: 10,000 runs, asked for by the client and as its pages ask.

    .venv/bin/python bench/trainer/tracking.py [FOLDER] [--runs 10000]

One training with its trials is recorded as the trainer records it; its rows are then copied as often as it
takes. The folder can be looked at afterwards with `tidemill mlflow --home FOLDER`.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_local.supervisor.probe import why_not_ready
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.settings import set_library_defaults
from tidemill_trainer.statistics import refresh_statistics
from tidemill_trainer.tracking import Tracking
from tidemill_trainer.trainings import Candidate, Training, Trainings, Trial

PIPELINE = "flights"
TRIALS = 40
REPEATS = 5
START_SECONDS = 180
# Every table that says something of a run, and the column that names it.
TABLES = {
    "runs": "run_uuid",
    "params": "run_uuid",
    "tags": "run_uuid",
    "metrics": "run_uuid",
    "latest_metrics": "run_uuid",
    "inputs": "destination_id",
}


def main() -> None:
    """Fill a database, ask it, print seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.mkdtemp(prefix="tracking-")))
    parser.add_argument("--runs", type=int, default=10_000)
    arguments = parser.parse_args()
    set_library_defaults()
    database = arguments.folder.resolve() / "mlflow.db"
    store = FolderStore(arguments.folder / "bucket" / "tidemill")
    tracking = Tracking(f"sqlite:///{database}", Trainings(store))
    tracking.align(PIPELINE)
    show("a training of 41 runs recorded", seconds(lambda: tracking.record(a_training(Trainings(store)))))
    show(f"copied to {arguments.runs:,} runs", seconds(lambda: copy(database, arguments.runs)))
    show("statistics refreshed", seconds(lambda: refresh_statistics(f"sqlite:///{database}")))
    ask_client(f"sqlite:///{database}")
    ask_pages(database)


def a_training(trainings: Trainings) -> Training:
    """Make a training that ended, with trials and curves as usual."""
    now = datetime.now(UTC)
    intent = Training(
        pipeline=PIPELINE,
        model_id=uuid.uuid4().hex[:16],
        dataset=1,
        dataset_id=uuid.uuid4().hex[:16],
        spec_digest=uuid.uuid4().hex[:16],
        correlation_id="drop",
        causation_id=None,
        accepted_at=now - timedelta(minutes=10),
    )
    training = trainings.accept(intent)
    profile = layout.dataset(PIPELINE, training.dataset_id, "profile.json")
    trainings.store.write(profile, json.dumps({"rows": 1}).encode())
    for number in range(TRIALS):
        trainings.add_trial(training, a_trial(number, now))
    metrics = {f"metric_{index}": index / 30 for index in range(30)}
    candidate = Candidate(family="deep", metrics=metrics, params={}, curves={}, defects=(), seconds=3)
    trainings.add_candidate(training, candidate)
    trainings.reject(training, Reason(code="below-threshold", message="too low"))
    return training


def a_trial(number: int, now: datetime) -> Trial:
    # The best is found late, and somewhere among the rest.
    score = (number * 17 % TRIALS) / TRIALS
    curve = tuple(score / (step + 1) for step in range(20))
    return Trial(
        number=number,
        family="deep",
        origin="search",
        params={f"choice_{index}": number * index for index in range(10)},
        state="finished",
        score=score,
        metric="roc_auc",
        loss=1 - score,
        seconds=5,
        curves={"check_loss": curve, "train_loss": curve},
        started_at=now - timedelta(seconds=5 * (TRIALS - number)),
    )


def copy(database: Path, runs: int) -> None:
    """Copy the rows of recorded runs under new names until there are so many runs."""
    with sqlite3.connect(database) as rows:
        known = [run for (run,) in rows.execute("SELECT run_uuid FROM runs")]
        columns = {table: columns_of(rows, table) for table in TABLES}
        for number in range(runs - len(known)):
            copy_run(rows, columns, known[number % len(known)], number)


def columns_of(rows: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in rows.execute(f"PRAGMA table_info({table})")]


def copy_run(rows: sqlite3.Connection, columns: dict[str, list[str]], run: str, number: int) -> None:
    new = uuid.uuid4().hex
    for table, key in TABLES.items():
        changed = {key: f"'{new}'"}
        if table == "inputs":
            changed["input_uuid"] = f"'{uuid.uuid4().hex}'"
        if table == "runs":
            changed |= {"start_time": f"start_time - {number * 1000}"}
        chosen = ", ".join(changed.get(name, name) for name in columns[table])
        rows.execute(f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE {key} = ?", (run,))  # noqa: S608


def ask_client(uri: str) -> None:
    """Time what a script asks first."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    client: Any = MlflowClient(uri)
    experiment = client.get_experiment_by_name(PIPELINE).experiment_id
    ask("client: experiments", client.search_experiments)
    ask("client: newest 100 runs", lambda: client.search_runs([experiment], max_results=100))
    best = ["metrics.roc_auc DESC"]
    ask("client: best 100", lambda: client.search_runs([experiment], max_results=100, order_by=best))
    one = client.search_runs([experiment], max_results=1)[0].data.tags["tidemill.model_id"]
    of_model = f"tags.`tidemill.model_id` = '{one}'"
    ask("client: of one model", lambda: client.search_runs([experiment], of_model, max_results=100))


def ask_pages(database: Path) -> None:
    """Time what MLflow's pages ask first, of its own server."""
    port = 25_123
    command = (sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}")
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            show("server: up", seconds(lambda: wait(f"http://127.0.0.1:{port}/health")))
            found = post(port, "experiments/search", {"max_results": 100})
            ids = [each["experiment_id"] for each in found["experiments"] if each["name"] == PIPELINE]
            ask("page: experiments", lambda: post(port, "experiments/search", {"max_results": 100}))
            page = {"experiment_ids": ids, "max_results": 100, "order_by": ["attributes.start_time DESC"]}
            ask("page: newest 100 runs", lambda: post(port, "runs/search", page))
            best = {**page, "order_by": ["metrics.roc_auc DESC"]}
            ask("page: best 100 runs", lambda: post(port, "runs/search", best))
        finally:
            server.terminate()


def wait(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while why_not_ready(url) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected {url} to answer within {START_SECONDS} s")
        time.sleep(0.2)


def post(port: int, method: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask as MLflow's pages do."""
    headers = {"Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", f"/ajax-api/2.0/mlflow/{method}", json.dumps(body), headers)
        parsed: dict[str, Any] = json.load(connection.getresponse())
        return parsed


def ask(what: str, question: Callable[[], object]) -> None:
    show(what, median(seconds(question) for _ in range(REPEATS)))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(what: str, took: float) -> None:
    print(f"{what:34} {took:8.3f} s", flush=True)


if __name__ == "__main__":
    main()
