"""What every row adds to the metrics that are means over rows."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import Task
from tidemill_trainer.evaluation.binary import THRESHOLD
from tidemill_trainer.evaluation.multiclass import chance_of_truth
from tidemill_trainer.evaluation.quantiles import pinball_losses
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY, FloatArray, Scored

# From answered rows to a number for each, `[rows]`.
Loss = Callable[[Scored], FloatArray]


def log_losses(truth: NDArray[np.bool_], chance: FloatArray) -> FloatArray:
    """Return the negative log likelihood of each row, in nats, `[rows]`."""
    given = np.where(truth, chance, 1 - chance)
    losses: FloatArray = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return losses


LOSSES: Mapping[Task, Mapping[str, Loss]] = {
    "binary": {
        "log_loss": lambda scored: log_losses(scored.truth, scored.answers),
        "brier": lambda scored: (scored.answers - scored.truth) ** 2,
        "accuracy": lambda scored: ((scored.answers >= THRESHOLD) == scored.truth).astype(np.float64),
    },
    "multiclass": {
        "log_loss": lambda scored: -np.log(chance_of_truth(scored.answers, scored.truth)),
        "accuracy": lambda scored: (scored.answers.argmax(axis=1) == scored.truth).astype(np.float64),
    },
    "regression": {
        "mae": lambda scored: np.abs(scored.point - scored.truth),
        "mse": lambda scored: (scored.point - scored.truth) ** 2,
        "bias": lambda scored: scored.point - scored.truth,
        "pinball_loss": lambda scored: pinball_losses(scored.truth, scored.answers, scored.quantiles),
    },
}
