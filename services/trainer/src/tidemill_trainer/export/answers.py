"""The outputs of a model's signatures, by task."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tidemill_trainer.objective import BINARY_CLASSES, Objective

# The outputs that hold the answers themselves; the first of them that a model has does.
ANSWERS = ("probability", "probabilities", "quantiles", "value")


def predicted(objective: Objective, answers: Any) -> Mapping[str, Any]:
    """Return the outputs of Predict: `probability`, `probabilities` and `class`, or `value`, `quantiles`."""
    match objective.task:
        case "binary":
            return {"probability": answers}
        case "multiclass":
            likeliest = tf.argmax(answers, axis=1, output_type=tf.int32)
            return {"probabilities": answers, "class": class_names(objective, likeliest)}
        case "regression":
            if objective.quantiles:
                return {"quantiles": answers, "value": answers[:, objective.middle]}
            return {"value": answers}


def classified(objective: Objective, answers: Any) -> Mapping[str, Any]:
    """Return the outputs of Classify: every class and its probability, `[rows, classes]` both."""
    names, scores = objective.classes, answers
    if objective.task == "binary":
        names, scores = BINARY_CLASSES, tf.stack([1 - answers, answers], axis=1)
    return {"classes": tf.broadcast_to(tf.constant(names), tf.shape(scores)), "scores": scores}


def regressed(objective: Objective, answers: Any) -> Mapping[str, Any]:
    """Return the output of Regress: P(true), or the number itself, `[rows]`."""
    return {"outputs": answers[:, objective.middle] if objective.quantiles else answers}


def class_names(objective: Objective, indices: Any) -> Any:
    """Return the names of classes, in the shape of their indices."""
    return tf.gather(tf.constant(objective.classes), indices)
