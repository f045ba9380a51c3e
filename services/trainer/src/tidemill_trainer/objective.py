"""What is learned of a dataset version, and the form that a model's answers have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import LabelProfile, Task
from tidemill_trainer.evaluation.metrics import DECIDING_METRIC
from tidemill_trainer.evaluation.scored import Scored, middle

BINARY_CLASSES = ("false", "true")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is learned, and the form of the answers.

    Args:
        task: What the label is.
        metric: The metric that decides between models.
        classes: Multiclass: the names behind class indices, in the order of their code points.
        loss: Regression: what is minimised.
        quantiles: Regression: what is answered instead of the mean, rising.
        constant: The best answer that reads no feature: P(true), a share per class, the mean, or a value per
            quantile of the training rows.
        class_weights: How much rows of each class count (binary: false, true); empty: alike.
    """

    task: Task
    metric: str
    classes: tuple[str, ...] = ()
    loss: Literal["squared", "poisson"] = "squared"
    quantiles: tuple[float, ...] = ()
    constant: tuple[float, ...] = ()
    class_weights: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Columns of an answer: one per class or quantile; 0 where answers are `[rows]`."""
        return len(self.classes) if self.task == "multiclass" else len(self.quantiles)

    @property
    def facts(self) -> dict[str, float]:
        """How unequal classes are: the share of true labels, or of the rarest class."""
        if self.task == "regression" or not self.constant:
            return {}
        return {"positive_share" if self.task == "binary" else "rarest_class_share": min(self.constant)}

    @property
    def middle(self) -> int:
        """The place of the quantile nearest the median."""
        return middle(self.quantiles)

    def scored(
        self,
        labels: NDArray[Any],
        answers: NDArray[Any],
        weights: NDArray[np.float32] | None = None,
        groups: NDArray[Any] | None = None,
    ) -> Scored:
        """Hold answers, `[rows]` or `[rows, width]`, against what was true; see `Scored`."""
        return Scored(
            self.task, labels, answers, weights, self.classes, groups, self.constant, self.quantiles
        )

    def row_weights(
        self, labels: NDArray[Any], weights: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        """Return how much each row counts, `[rows]`, 1 on average: its own weight times its class's."""
        if weights is None and not self.class_weights:
            return None
        whole = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
        if self.class_weights:
            # A class that training did not have (-1) has no weight of its own.
            whole = whole * np.append(self.class_weights, 1.0)[labels.astype(np.int64)]
        mean = whole.mean() if len(whole) else 0.0
        if not mean > 0:
            raise ValueError("expected rows of which some have a weight above 0, received none")
        return (whole / mean).astype(np.float32)


def make_objective(
    spec: PipelineSpec, label: LabelProfile, labels: NDArray[Any], weights: NDArray[np.float32] | None
) -> Objective:
    """Decide what is learned, from the spec and the training rows: their labels and weights, `[rows]`.

    Raises ValueError where the spec asks for what the task does not have, or counts that are negative.
    """
    task, training = label.task, spec.training
    if task != "regression" and (training.quantiles or training.loss != "squared"):
        raise ValueError(f"expected quantiles and losses of a regression alone, received the task {task}")
    if training.loss == "poisson" and len(labels) and labels.min() < 0:
        raise ValueError(f"expected counts of at least 0 for the loss poisson, received {labels.min():.4g}")
    classes = tuple(name for name, _ in label.classes) if task == "multiclass" else ()
    shares = _shares(task, len(classes), labels, weights)
    return Objective(
        task=task,
        metric=spec.blessing.metric or ("pinball_loss" if training.quantiles else DECIDING_METRIC[task]),
        classes=classes,
        loss=training.loss,
        quantiles=training.quantiles,
        constant=_constant(task, training.quantiles, shares, labels, weights),
        class_weights=_class_weights(training.class_weights, classes or BINARY_CLASSES, shares),
    )


def _shares(
    task: Task, classes: int, labels: NDArray[Any], weights: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    if task == "regression":
        return np.zeros(0)
    width = classes if task == "multiclass" else len(BINARY_CLASSES)
    counts = np.bincount(labels.astype(np.int64), weights, minlength=width)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _constant(
    task: Task,
    quantiles: Sequence[float],
    shares: NDArray[np.float64],
    labels: NDArray[Any],
    weights: NDArray[np.float32] | None,
) -> tuple[float, ...]:
    if task == "binary":
        return (float(shares[1]),)
    if task == "multiclass":
        return tuple(map(float, shares))
    numbers = labels.astype(np.float64)
    if not quantiles:
        return (float(np.average(numbers, weights=weights)),)
    # With weights, only this method is defined.
    return tuple(map(float, np.quantile(numbers, quantiles, weights=weights, method="inverted_cdf")))


def _class_weights(
    wanted: Literal["balanced"] | dict[str, float] | None,
    classes: Sequence[str],
    shares: NDArray[np.float64],
) -> tuple[float, ...]:
    if wanted is None:
        return ()
    if not len(shares):
        raise ValueError("expected class weights for classes alone, received some for the task regression")
    if wanted == "balanced":
        return tuple(float(1 / (len(shares) * share)) if share else 0.0 for share in shares)
    unknown = sorted(set(wanted).difference(classes))
    if unknown:
        raise ValueError(f"expected class weights of the classes {list(classes)}, received {unknown}")
    return tuple(wanted.get(name, 1.0) for name in classes)
