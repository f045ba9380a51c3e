"""What every row adds to the metrics that are means over rows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import Task
from tidemill_trainer.evaluation.binary import THRESHOLD
from tidemill_trainer.evaluation.multiclass import chance_of_truth
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray

# From what was true and what was answered, as `Scored` has them, to a number per row, `[rows]`.
Loss = Callable[[NDArray[Any], FloatArray], FloatArray]


def log_losses(truth: NDArray[np.bool_], chance: FloatArray) -> FloatArray:
    """Return the negative log likelihood of each row, in nats, `[rows]`."""
    given = np.where(truth, chance, 1 - chance)
    losses: FloatArray = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return losses


LOSSES: Mapping[Task, Mapping[str, Loss]] = {
    "binary": {
        "log_loss": log_losses,
        "brier": lambda truth, chance: (chance - truth) ** 2,
        "accuracy": lambda truth, chance: ((chance >= THRESHOLD) == truth).astype(np.float64),
    },
    "multiclass": {
        "log_loss": lambda truth, chances: -np.log(chance_of_truth(chances, truth)),
        "accuracy": lambda truth, chances: (chances.argmax(axis=1) == truth).astype(np.float64),
    },
    "regression": {
        "mae": lambda truth, answers: np.abs(answers - truth),
        "mse": lambda truth, answers: (answers - truth) ** 2,
        "bias": lambda truth, answers: answers - truth,
    },
}
