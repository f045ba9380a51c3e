"""The end of a network in TensorFlow: from outputs to answers, and what they are trained with."""

from typing import Any

import numpy as np
import tensorflow as tf

from tidemill_trainer.families.head import Head


def answers_of(head: Head, outputs: Any) -> Any:
    """Return answers, `[rows]` or `[rows, width]`."""
    objective = head.objective
    if objective.task == "binary":
        return tf.sigmoid(outputs[:, 0])
    if objective.task == "multiclass":
        return tf.nn.softmax(outputs)
    if objective.loss == "poisson":
        return tf.exp(tf.minimum(outputs[:, 0], np.float32(head.greatest)))
    numbers = outputs * np.float32(head.scale) + np.float32(head.center)
    return tf.sort(numbers, axis=1) if objective.quantiles else numbers[:, 0]


def loss_of(head: Head, labels: Any, outputs: Any) -> Any:
    """Return what every row adds to the loss, `[rows]`."""
    objective = head.objective
    labels = tf.reshape(labels, [-1])
    if objective.task == "binary":
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, tf.float32), outputs[:, 0])
    if objective.task == "multiclass":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), outputs)
    if objective.loss == "poisson":
        return tf.nn.log_poisson_loss(labels, tf.minimum(outputs[:, 0], np.float32(head.greatest)))
    wanted = (labels - np.float32(head.center)) / np.float32(head.scale)
    if not objective.quantiles:
        return tf.square(outputs[:, 0] - wanted)
    short, levels = wanted[:, None] - outputs, np.array(objective.quantiles, np.float32)
    return tf.reduce_mean(tf.maximum(levels * short, (levels - 1) * short), axis=1)
