"""Tidemill's training job beside other libraries, on the same folds of public tasks, one after the other.

    python bench/trainer/bench_trainer.py FOLDER --wheels WHEELS [--tasks adult] [--folds 10] [--take 3]
        [--budget 10m] [--peers PYTHON]

FOLDER keeps every result: what is there already is not run again. `--peers` names the interpreter of an
environment with LightGBM and CatBoost.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tidemill
from tasks import FRAMEWORKS, TASKS, Task, folds

from tidemill_contracts.training_spec import Training

HERE = Path(__file__).parent
OWN_PEERS = ("scikit-learn",)
THEIR_PEERS = ("lightgbm", "lightgbm-search", "catboost")
GRACE_SECONDS = 600

# Score and seconds of one contestant on one fold.
Scores = dict[str, tuple[float, float]]


def main() -> None:
    """Run what is missing, and print a table per task."""
    arguments = _parse_arguments()
    training = {"budget": arguments.budget, **json.loads(arguments.training)}
    for name in arguments.tasks:
        task = TASKS[name]
        table = task.read(arguments.wheels)
        print(f"\n{name}: {len(table):,} rows, {task.metric}, folds 1-{arguments.take} of {arguments.folds}")
        found = []
        for fold, (learn, test) in enumerate(folds(task, table, arguments.folds)):
            if fold < arguments.take:
                place = arguments.folder / f"{name}-{arguments.folds}-{fold}"
                sides = {"train": table.take(learn), "test": table.take(test)}
                found.append(run(task, sides, place, training, arguments.peers))
        show(task, found)


def run(
    task: Task,
    sides: Mapping[str, pa.Table],
    folder: Path,
    training: dict[str, Any],
    peers: str | None,
) -> Scores:
    """Run every contestant on one fold, each in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, rows in sides.items():
        pq.write_table(rows, folder / f"{side}.parquet")
    seconds = Training.model_validate(training).budget_seconds or 0
    scores: Scores = {}
    for peer, interpreter in _peers(peers):
        command = [interpreter, "peers.py", peer, str(folder.absolute()), task.kind, str(seconds)]
        told = _once(folder / f"{peer}.json", lambda command=command: _run_peer(command, seconds))
        scores[peer] = told["score"], told["seconds"]
    own = _once(
        folder / "tidemill.json",
        lambda: vars(tidemill.run(task, sides["train"], sides["test"], folder, training)),
    )
    for family, score in own["scores"].items():
        scores[f"Tidemill: {family}"] = score, own["seconds"]
    return {**scores, "Tidemill": (own["scores"][own["chosen"]], own["seconds"])}


def show(task: Task, found: Sequence[Scores]) -> None:
    """Print means over the folds, and how often Tidemill was better on the same fold."""
    sign = 1 if task.kind == "binary" else -1
    print(f"| | {task.metric} | Tidemill better | seconds a fold |\n|---|---|---|---|")
    for name in dict.fromkeys(name for scores in found for name in scores):
        paired = [(*scores[name], scores["Tidemill"][0]) for scores in found if name in scores]
        better = sum(sign * (own - score) > 0 for score, _, own in paired)
        better_of = "" if name == "Tidemill" else f"{better} of {len(paired)}"
        score, seconds = (mean(column) for column in list(zip(*paired, strict=True))[:2])
        print(f"| {name} | {score:.4f} | {better_of} | {seconds:,.0f} |")
    for framework, score in zip(FRAMEWORKS, task.published, strict=True):
        print(f"| published: {framework}, 8 cores | {score:.4f} | | 3,600 |")


def _peers(interpreter: str | None) -> Iterator[tuple[str, str]]:
    yield from ((peer, sys.executable) for peer in OWN_PEERS)
    if interpreter:
        yield from ((peer, interpreter) for peer in THEIR_PEERS)


def _run_peer(command: Sequence[str], budget_seconds: float) -> dict[str, float]:
    finished = subprocess.run(
        command,
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=budget_seconds + GRACE_SECONDS,
        check=False,
    )
    if finished.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{finished.stderr[-4000:]}")
    told: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return told


def _once(place: Path, work: Any) -> dict[str, Any]:
    if not place.exists():
        place.write_text(json.dumps(work()))
    told: dict[str, Any] = json.loads(place.read_text())
    return told


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["adult"])
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--take", type=int, default=10, help="Only so many of the folds, the first ones.")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--training", default="{}", help="More of a spec's `training`, as JSON.")
    parser.add_argument("--peers", help="Interpreter with lightgbm, catboost, scikit-learn and pyarrow.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
