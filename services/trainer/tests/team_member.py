"""One of several processes that train together, or one alone: `team_member.py PEERS INDEX FOLDER TASK`.

The chief leaves what came of it in the folder.
"""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from learned_data import data_of, examples_of, label_column, split

from tidemill_contracts.profile import Feature
from tidemill_trainer.data_parallel.cluster import Cluster, join
from tidemill_trainer.data_parallel.learner import TogetherLearner, take_part
from tidemill_trainer.families import Examples, Params, Pruned, Watch
from tidemill_trainer.families.deep import Deep
from tidemill_trainer.settings import set_library_defaults

JOIN_SECONDS = 60
ROWS = 4001
WITHOUT_DROPOUT: Params = {"dropout": 0.0, "max_epochs": 1}
Rows = tuple[Examples, Examples]


def main() -> None:
    """Be a member."""
    set_library_defaults()
    peers, index, folder, task = sys.argv[1].split(","), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    cluster = join(peers, index, seconds=JOIN_SECONDS) if len(peers) > 1 else Cluster()
    if index > 0:
        take_part(cluster)
        return
    learner = TogetherLearner(cluster)
    rows = some_rows()
    if task == "train":
        train(learner, rows, folder)
    else:
        train_for_ever(learner, rows, folder)
    cluster.tell(None)


def some_rows() -> Rows:
    """Make rows that a network learns from, of different weight, with gaps."""
    rng = np.random.default_rng(5)
    numbers, choices = rng.normal(size=(ROWS, 3)), rng.integers(0, 5, ROWS)
    labels = (numbers[:, 0] * numbers[:, 1] + (choices == 2) + rng.normal(0, 0.5, ROWS)) > 0.3
    columns = {f"x{place}": np.where(rng.random(ROWS) < 0.1, np.nan, numbers[:, place]) for place in range(3)}
    table = pa.table({**columns, "c": [f"choice {choice}" for choice in choices], **label_column(labels)})
    features = [Feature(name=f"x{place}", kind="numeric") for place in range(3)]
    data = data_of(table, [*features, Feature(name="c", kind="categorical")])
    learn, check = split(examples_of(data))
    weights = rng.gamma(1.0, 1.0, len(learn)).astype(np.float32)
    return replace(learn, weights=weights), check


def train(learner: TogetherLearner, rows: Rows, folder: Path) -> None:
    """Fit one epoch without dropout; be pruned; fit with dropout until it does not help."""
    exact = learner.fit(*rows, WITHOUT_DROPOUT, 3, Watch(math.inf))
    is_pruned = False
    try:
        learner.fit(*rows, {}, 3, Watch(math.inf, _prune))
    except Pruned:
        is_pruned = True
    fewer = tuple(part.take(np.arange(len(part) // 2 + 1)) for part in rows)
    other = learner.fit(fewer[0], fewer[1], WITHOUT_DROPOUT, 4, Watch(math.inf))
    best = learner.fit(*rows, {}, 3, Watch(math.inf))
    facts = {
        "is_pruned": is_pruned,
        "train_loss": exact.curves["train_loss"],
        "check_loss": exact.curves["validation_loss"],
        "epochs": len(best.curves["validation_loss"]),
        "least_loss": min(best.curves["validation_loss"]),
        "first_loss": best.curves["validation_loss"][0],
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    np.savez(folder / "weights.npz", exact=_flat(exact), other=_flat(other), answers=best.answer(rows[1]))


def train_for_ever(learner: TogetherLearner, rows: Rows, folder: Path) -> None:
    """Fit until this process ends, and say when it has begun."""
    params: Params = {"max_epochs": 10**6, "patience_epochs": 10**6}
    learner.fit(*rows, params, 3, Watch(math.inf, lambda *_: (folder / "begun").touch()))


def _prune(_step: int, _loss: float) -> None:
    raise Pruned


def _flat(model: Deep) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.concatenate([weights.ravel() for weights in model.network.get_weights()])


if __name__ == "__main__":
    main()
