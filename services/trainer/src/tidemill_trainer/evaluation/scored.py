"""Rows with what was true and what a model answered: all that evaluation starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import Task

Columns = Mapping[str, NDArray[Any]]
FloatArray = NDArray[np.float64]
Indices = NDArray[np.int64]

# Below this, a float32 probability cannot be told from zero.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Scored:
    """Rows that a model has answered; ValueError when the parts do not fit together.

    Args:
        task: What was learned.
        labels: What was true, `[rows]`: bool (binary), texts of `classes` or indices into them (multiclass),
            numbers (regression). A text that is no class is one the model gave no chance.
        predictions: P(true) `[rows]`, probabilities `[rows, classes]`, numbers `[rows]`, or a number per
            quantile `[rows, quantiles]`.
        weights: How often each row counts, `[rows]`; None: once.
        classes: Names of the columns of `predictions`; only needed for labels that are texts.
        groups: Anything, `[rows]`: rows with the same value are not independent of each other (all flights of
            one day); None: all rows are.
        constant: What a model that reads no feature answers: P(true), a probability per class, a number, or
            one per quantile. Empty: whatever is best for these rows.
        quantiles: The levels of the columns of `predictions` (regression), rising; empty: it is the mean.
    """

    task: Task
    labels: NDArray[Any]
    predictions: NDArray[Any]
    weights: NDArray[Any] | None = None
    classes: tuple[str, ...] = ()
    groups: NDArray[Any] | None = None
    constant: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rows, axes = len(self.labels), 2 if self.task == "multiclass" or self.quantiles else 1
        if not rows or self.labels.ndim != 1:
            raise ValueError(f"expected labels of at least one row, received shape {self.labels.shape}")
        if len(self.predictions) != rows or self.predictions.ndim != axes:
            shape = "of two axes" if axes == 2 else "[rows]"
            raise ValueError(
                f"expected predictions {shape} for {rows} rows, received {self.predictions.shape}"
            )
        if self.quantiles and self.predictions.shape[1] != len(self.quantiles):
            raise ValueError(
                f"expected predictions of {len(self.quantiles)} quantiles, received {self.predictions.shape}"
            )
        for name, values in (("weights", self.weights), ("groups", self.groups)):
            if values is not None and values.shape != (rows,):
                raise ValueError(f"expected {name} of {rows} rows, received shape {values.shape}")
        if self.weights is not None and not (np.min(self.weights) >= 0 and 0 < np.sum(self.weights) < np.inf):
            raise ValueError("expected finite weights >= 0, not all of them 0")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def truth(self) -> NDArray[Any]:
        """The labels as bool, as class indices (int64, -1 for no class), or as float64, `[rows]`."""
        if self.task == "multiclass":
            return _class_indices(self.labels, self.classes, self.predictions.shape[1])
        return self.labels.astype(np.bool_ if self.task == "binary" else np.float64)

    @cached_property
    def answers(self) -> FloatArray:
        """The predictions as float64."""
        return self.predictions.astype(np.float64)

    @cached_property
    def point(self) -> FloatArray:
        """One number per row of a regression task, `[rows]`: of quantiles, the one nearest the median."""
        return self.answers[:, middle(self.quantiles)] if self.quantiles else self.answers

    @cached_property
    def row_weights(self) -> FloatArray:
        """How often each row counts, `[rows]`."""
        return np.ones(len(self)) if self.weights is None else self.weights.astype(np.float64)

    @cached_property
    def units(self) -> Indices:
        """The index of the independent unit that each row belongs to, `[rows]`: its group, or itself."""
        if self.groups is None:
            return np.arange(len(self))
        units: Indices = np.unique(self.groups, return_inverse=True)[1]
        return units

    @cached_property
    def is_finite(self) -> bool:
        """Whether every answer is a number."""
        return bool(np.isfinite(self.predictions).all())

    def by_constant(self) -> "Scored":
        """Return the same rows, answered by the model that reads no feature; there must be a constant."""
        given = np.array(self.constant if self.predictions.ndim == 2 else self.constant[0])
        return replace(self, predictions=np.broadcast_to(given, self.predictions.shape))

    def take(self, rows: NDArray[Any]) -> "Scored":
        """Return the rows at the indices, or where a mask is true."""
        return replace(
            self,
            labels=self.labels[rows],
            predictions=self.predictions[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
        )


def middle(quantiles: Sequence[float]) -> int:
    """Return the place of the quantile nearest the median, the lower one of two."""
    return min(range(len(quantiles)), key=lambda place: abs(quantiles[place] - 0.5))


def _class_indices(labels: NDArray[Any], classes: tuple[str, ...], width: int) -> Indices:
    if labels.dtype.kind in "iu":
        return np.where((labels >= 0) & (labels < width), labels, -1).astype(np.int64)
    places = {name: index for index, name in enumerate(classes)}
    return np.fromiter((places.get(label, -1) for label in labels.tolist()), np.int64, len(labels))
