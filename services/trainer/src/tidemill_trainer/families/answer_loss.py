"""Losses of answers themselves: probabilities, rates, numbers or quantiles."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tidemill_trainer.objective import Objective


def answer_loss(objective: Objective, labels: Any, answers: Any) -> Any:
    """Return what every row adds to the loss, `[rows]`."""
    labels = tf.reshape(labels, [-1])
    if objective.task == "multiclass":
        return keras.losses.sparse_categorical_crossentropy(labels, answers)
    labels = tf.cast(labels, tf.float32)
    if objective.quantiles:
        short, levels = labels[:, None] - answers, np.array(objective.quantiles, np.float32)
        return tf.reduce_mean(tf.maximum(levels * short, (levels - 1) * short), axis=1)
    labels, answers = labels[:, None], tf.reshape(answers, [-1, 1])
    if objective.task == "binary":
        return keras.losses.binary_crossentropy(labels, answers)
    if objective.loss == "poisson":
        return keras.losses.poisson(labels, answers)
    return keras.losses.mean_squared_error(labels, answers)
