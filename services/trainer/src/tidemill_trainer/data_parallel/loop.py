"""The training of a network by the processes of a cluster; one process alone trains the same network.

Every process draws the same order of the rows, and takes its share of every batch. Gradients are added up
before a step is taken, so that all processes take the same step: the one that a single process would take,
but for dropout, and the order in which numbers are added.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_trainer.data_parallel.cluster import Cluster, in_step
from tidemill_trainer.families import Curves, Examples, Watch
from tidemill_trainer.families.lesson import Lesson

Arrays = list[NDArray[Any]]

# Steps between two looks at the clock.
STEPS_AT_ONCE = 64
CHECKED_AT_ONCE = 4096
# The row of a batch that is not full.
NO_ROW = -1


@dataclass(frozen=True)
class Progress:
    """What training has come to: all that is needed to go on, in this process or another.

    `variables` are all that a step changes, `best` the weights of the epoch with the least loss so far.
    """

    variables: Arrays
    best: Arrays
    train_losses: tuple[float, ...] = ()
    check_losses: tuple[float, ...] = ()

    @property
    def epochs(self) -> int:
        """How many epochs are over."""
        return len(self.check_losses)

    @property
    def epochs_without_gain(self) -> int:
        """How many epochs came after the best; a loss that is no number is never the best."""
        if not self.check_losses:
            return 0
        losses = np.nan_to_num(self.check_losses, nan=np.inf)
        return self.epochs - 1 - int(np.argmin(losses))

    def after(self, train_loss: float, check_loss: float, variables: Arrays, weights: Arrays) -> "Progress":
        """Return the progress after one more epoch."""
        losses = (*self.train_losses, train_loss), (*self.check_losses, check_loss)
        progress = Progress(variables, weights, *losses)
        return progress if progress.epochs_without_gain == 0 else replace(progress, best=self.best)


class Checkpoints:
    """Where the chief keeps progress: nowhere, here."""

    def load(self) -> Progress | None:
        """Return how far an earlier process came with the same lesson, None if there was none."""
        return None

    def save(self, progress: Progress) -> None:
        """Keep progress, unless that was done a moment ago."""


NO_CHECKPOINTS = Checkpoints()


def train_together(
    cluster: Cluster, lesson: Lesson, watch: Watch, checkpoints: Checkpoints = NO_CHECKPOINTS
) -> Curves:
    """Train a network until more does not help; leave it as it was best.

    All processes call this with the same lesson; seed, `watch` and `checkpoints` are the chief's.
    """
    steps = _Steps(cluster, lesson)
    with in_step():
        progress, seed = _begin(cluster, steps, lesson, checkpoints)
    while progress.epochs < lesson.max_epochs and progress.epochs_without_gain < lesson.patience_epochs:
        with in_step():
            order = np.random.default_rng([seed, progress.epochs]).permutation(len(lesson.learn))
            losses = steps.learn(order, watch.stop_at), steps.check()
        progress = progress.after(*losses, steps.variables, lesson.network.get_weights())
        if not _goes_on(cluster, progress, watch, checkpoints):
            break
    lesson.network.set_weights(progress.best)
    return {"train_loss": progress.train_losses, "validation_loss": progress.check_losses}


def _begin(
    cluster: Cluster, steps: "_Steps", lesson: Lesson, checkpoints: Checkpoints
) -> tuple[Progress, int]:
    """Have all processes begin with the chief's weights, or where its checkpoint is; return its seed too."""
    told = None
    if cluster.is_chief:
        told = checkpoints.load() or Progress(steps.variables, lesson.network.get_weights()), lesson.seed
    match cluster.tell(told):
        case (Progress() as progress, int() as seed):
            steps.variables = progress.variables
            return progress, seed
        case other:
            raise TypeError(f"expected how to begin, received {type(other).__name__}")


def _goes_on(cluster: Cluster, progress: Progress, watch: Watch, checkpoints: Checkpoints) -> bool:
    """Say whether there is time for another epoch, by the chief; raise what `watch` does, once all know."""
    goes_on = False
    try:
        if cluster.is_chief:
            watch.report(progress.epochs - 1, progress.check_losses[-1])
            checkpoints.save(progress)
            goes_on = time.monotonic() < watch.stop_at
    finally:
        goes_on = cluster.agree(goes_on)
    return goes_on


def _batches(order: NDArray[np.int64], batch_rows: int) -> NDArray[np.int64]:
    """Return all batches of an epoch, `[batches, batch_rows]`; the last is filled up with NO_ROW."""
    missing = -len(order) % batch_rows
    return np.pad(order, (0, missing), constant_values=NO_ROW).reshape(-1, batch_rows)


class _Steps:
    """A network in training. Graphs are made once, and in all processes in the same order."""

    def __init__(self, cluster: Cluster, lesson: Lesson) -> None:
        """Build the network and the optimizer."""
        self._cluster, self._lesson = cluster, lesson
        self._network, self._optimizer = lesson.network, lesson.optimizer
        self._network(_inputs(lesson.learn, np.zeros(1, np.int64)))
        self._optimizer.build(self._network.trainable_variables)
        counts = tf.TensorSpec([None], tf.float32)
        self._measure = tf.function(self._losses, input_signature=_specs(lesson.learn, axes=1))
        self._take = tf.function(self._steps, input_signature=(*_specs(lesson.learn, axes=2), counts))

    @property
    def variables(self) -> list[NDArray[Any]]:
        """All that steps change: weights, and what the optimizer keeps."""
        return [variable.value.numpy() for variable in self._all]

    @variables.setter
    def variables(self, values: list[NDArray[Any]]) -> None:
        for variable, value in zip(self._all, values, strict=True):
            variable.assign(value)

    @property
    def _all(self) -> list[Any]:
        return [*self._network.weights, *self._optimizer.variables]

    def learn(self, order: NDArray[np.int64], stop_at: float) -> float:
        """Take a step per batch, until time is over; return the mean loss of the rows."""
        batches = _batches(order, self._lesson.batch_rows)
        counts = (batches != NO_ROW).sum(axis=1).astype(np.float32)
        missing = -batches.shape[1] % self._cluster.size
        shares = np.pad(batches, ((0, 0), (0, missing)), constant_values=NO_ROW)
        mine = shares[:, self._cluster.index :: self._cluster.size]
        loss = rows = 0.0
        for part in _slices(len(mine), STEPS_AT_ONCE):
            if rows and not self._cluster.agree(time.monotonic() < stop_at):
                break
            loss += float(self._take(*_of(self._lesson.learn, mine[part]), counts[part]))
            rows += float(counts[part].sum())
        return loss / rows

    def check(self) -> float:
        """Return the mean loss of the rows kept aside, of which every process measures a share."""
        rows = self._lesson.check
        mine = np.arange(self._cluster.index, len(rows), self._cluster.size)
        parts = (mine[part] for part in _slices(len(mine), CHECKED_AT_ONCE))
        loss = sum(float(self._measure(*_of(rows, part))) for part in parts)
        return float(self._cluster.total([loss])[0]) / len(rows)

    def _losses(self, inputs: Any, labels: Any, weights: Any) -> Any:
        return tf.reduce_sum(self._lesson.loss(labels, self._network(inputs, training=False)) * weights)

    def _steps(self, inputs: Any, labels: Any, weights: Any, counts: Any) -> Any:
        total = tf.constant(0.0)
        for place in tf.range(tf.shape(counts)[0]):
            part = tuple(values[place] for values in inputs)
            total += self._step(part, labels[place], weights[place], counts[place])
        return total

    def _step(self, inputs: Any, labels: Any, weights: Any, count: Any) -> Any:
        variables = self._network.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._network(inputs, training=True)
            loss = tf.reduce_sum(self._lesson.loss(labels, outputs) * weights)
        found = tape.gradient(loss, [each.value for each in variables], unconnected_gradients="zero")
        # In one piece, because what a sum costs is mostly the wait.
        flat = [tf.reshape(tf.convert_to_tensor(each), [-1]) for each in found]
        *summed, total = tf.split(
            self._cluster.sum(tf.concat([*flat, [loss]], axis=0)),
            [*(each.shape.num_elements() for each in variables), 1],
        )
        gradients = [
            tf.reshape(each, variable.shape) / count for each, variable in zip(summed, variables, strict=True)
        ]
        self._optimizer.apply(gradients, variables)
        return total[0]


def _specs(rows: Examples, *, axes: int) -> Any:
    """Describe what `_of` returns for indices with so many axes, of any length."""

    def describe(values: NDArray[Any]) -> Any:
        return tf.TensorSpec([None] * axes + list(values.shape[axes:]), values.dtype)

    return tf.nest.map_structure(describe, _of(rows, np.zeros([1] * axes, np.int64)))


def _of(rows: Examples, chosen: NDArray[np.int64]) -> tuple[Any, NDArray[Any], NDArray[np.float32]]:
    """Return inputs, labels and weights in the shape of indices; NO_ROW weighs nothing."""
    weights = (chosen != NO_ROW).astype(np.float32)
    if rows.weights is not None:
        weights *= rows.weights[chosen]
    return _inputs(rows, chosen), rows.labels[chosen], weights


def _inputs(rows: Examples, chosen: NDArray[np.int64]) -> tuple[Any, ...]:
    return tuple(values[chosen] for values in rows.encoded)


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))
