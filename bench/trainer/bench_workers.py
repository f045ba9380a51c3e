"""Times networks that 1, 2, ... processes train, each on one thread, and measures what they have learned.

    python bench/trainer/bench_workers.py [--workers 1 2] [--epochs 8] [--width 128]

Reads the flights of `examples/flights`; prints a Markdown table. A process that is called with `--index` is
one of several.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "services/trainer/tests"))
FLIGHTS = sorted((ROOT / "examples/flights").glob("flights-*.csv"))
NUMBERS = ("month", "day", "hour", "minute", "distance")
CATEGORIES = ("carrier", "origin", "dest")
JOIN_SECONDS = 100
END_SECONDS = 1000
SEED = 7


def main() -> None:
    """Be one of several processes, or start them."""
    arguments = _parse_arguments()
    if arguments.index is not None:
        be_member(arguments)
        return
    print("| who trains | seconds per epoch | processor s per epoch, chief | least loss | ROC AUC |")
    print("|---|---|---|---|---|")
    for label, count in [("Keras `fit`", 0), *((f"{count} worker(s)", count) for count in arguments.workers)]:
        print(f"| {label} | {' | '.join(measure(count, arguments))} |", flush=True)


def measure(count: int, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Train with so many processes, 0: by Keras alone."""
    from tidemill_trainer.launcher import free_addresses  # noqa: PLC0415

    peers = ",".join(free_addresses(max(1, count)))
    given = ["--epochs", str(arguments.epochs), "--width", str(arguments.width), "--peers", peers]
    if count == 0:
        given.append("--keras")
    commands = [[sys.executable, __file__, *given, "--index", str(index)] for index in range(max(1, count))]
    chief, *others = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        output, _ = chief.communicate(timeout=END_SECONDS)
    finally:
        for process in (chief, *others):
            process.kill()
            process.wait()
    facts = json.loads(output.splitlines()[-1])
    return (
        f"{facts['seconds']:.2f}",
        f"{facts['processor_seconds']:.2f}",
        f"{facts['loss']:.4f}",
        f"{facts['roc_auc']:.4f}",
    )


def be_member(arguments: argparse.Namespace) -> None:
    """Train, and print what came of it, if this is the first."""
    import tensorflow as tf  # noqa: PLC0415

    from tidemill_trainer.data_parallel.cluster import Cluster, join  # noqa: PLC0415
    from tidemill_trainer.data_parallel.learner import TogetherLearner, take_part  # noqa: PLC0415
    from tidemill_trainer.families import Watch  # noqa: PLC0415
    from tidemill_trainer.families.deep import DeepLearner  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    peers = arguments.peers.split(",")
    cluster = join(peers, arguments.index, seconds=JOIN_SECONDS) if len(peers) > 1 else Cluster()
    if arguments.index > 0:
        take_part(cluster)
        return
    times: list[tuple[float, float]] = []
    watch = Watch(math.inf, partial(_note_time, times))
    learner = DeepLearner() if arguments.keras else TogetherLearner(cluster)
    learn, check = flights()
    params = {
        "width": arguments.width,
        "max_epochs": arguments.epochs,
        "patience_epochs": arguments.epochs,
    }
    trained = learner.fit(learn, check, params, SEED, watch)
    # The first epoch has graphs to make.
    wall, processor = (np.diff([each[place] for each in times]).mean() for place in (0, 1))
    facts = {
        "seconds": wall,
        "processor_seconds": processor,
        "loss": min(trained.curves["validation_loss"]),
        "roc_auc": _roc_auc(check.labels, trained.answer(check)),
    }
    cluster.tell(None)
    print(json.dumps(facts))


def flights() -> tuple[Any, Any]:
    """Return flights to learn from, and a fifth of them to check on: late by more than 15 minutes?"""
    from learned_data import data_of, examples_of, label_column, split  # noqa: PLC0415

    from tidemill_contracts.profile import Feature  # noqa: PLC0415

    options = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    raw = pa.concat_tables(pyarrow.csv.read_csv(file, convert_options=options) for file in FLIGHTS)
    raw = raw.filter(pc.is_valid(raw["arr_delay"]))
    late = raw["arr_delay"].to_numpy() > 15
    table = pa.table({**{name: raw[name] for name in (*NUMBERS, *CATEGORIES)}, **label_column(late)})
    features = [
        *(Feature(name=name, kind="numeric") for name in NUMBERS),
        *(Feature(name=name, kind="categorical") for name in CATEGORIES),
    ]
    return split(examples_of(data_of(table, features)))


def _note_time(times: list[tuple[float, float]], _epoch: int, _loss: float) -> None:
    times.append((time.monotonic(), time.process_time()))


def _roc_auc(labels: NDArray[Any], answers: NDArray[Any]) -> float:
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]  # noqa: PLC0415

    return float(roc_auc_score(labels, answers))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time networks that several processes train.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--peers")
    parser.add_argument("--index", type=int)
    parser.add_argument("--keras", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
