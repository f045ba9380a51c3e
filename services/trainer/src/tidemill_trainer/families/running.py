"""Cores that answer rows in memory, by the operations that they are exported with."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_trainer.families.on_encoded import Core
from tidemill_trainer.preprocessing.encoded import Encoded

# Values that a batch of encoded rows may have: a network makes many more of each.
MAX_VALUES = 1 << 18
MAX_ROWS = 4096


def runner(core: Core) -> Callable[[Encoded], NDArray[np.float32]]:
    """Return a function from arrays to answers, some rows at a time."""
    run = tf.function(lambda encoded: core(Encoded(*encoded)), reduce_retracing=True)

    def answer(encoded: Encoded) -> NDArray[np.float32]:
        columns = max(encoded.numbers.shape[1] + encoded.ids.shape[1], 1)
        batch = max(1, min(MAX_ROWS, MAX_VALUES // columns))
        starts = range(0, max(len(encoded.numbers), 1), batch)
        parts = [run(tuple(values[start : start + batch] for values in encoded)).numpy() for start in starts]
        return np.concatenate(parts)

    return answer
