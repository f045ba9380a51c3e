"""Which of a row's answers is explained."""

from typing import Any

import tensorflow as tf

from tidemill_trainer.objective import Objective


def choose(objective: Objective, answers: Any) -> Any:
    """Return the column that is explained of the first row's answers, int32; 0 where there are no columns."""
    if objective.task == "multiclass":
        return tf.argmax(answers[0], output_type=tf.int32)
    return tf.constant(objective.middle if objective.quantiles else 0)
