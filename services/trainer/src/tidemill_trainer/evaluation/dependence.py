"""What a model would answer if one column had another value: partial dependence, and single rows' curves."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.importance import Predict
from tidemill_trainer.evaluation.parts import is_number
from tidemill_trainer.evaluation.scored import Columns

CURVES = 10
# Between these quantiles of rows lies what most of them would be answered.
MOST = (0.1, 0.9)


class DependencePoint(ProfileModel):
    """A value of the column (None: missing), the mean answer, and where 80% of the answers lie."""

    value: float | str | None
    mean: float
    low: float
    high: float


class Dependence(ProfileModel):
    """The answers along the values of one column; `curves` are those of single rows, `[rows][points]`.

    Where the curves are not parallel, other columns change what this one does.
    """

    column: str
    points: tuple[DependencePoint, ...]
    curves: tuple[tuple[float, ...], ...]


def partial_dependence(
    predict: Predict, columns: Columns, column: str, *, points: int = 20, max_rows: int = 500
) -> Dependence:
    """Ask a model about rows in which one column has had its value replaced.

    Args:
        predict: The model, with one answer per row; for several classes, pick one of them.
        columns: Rows, as `predict` takes them.
        column: Whose values are replaced.
        points: How many values: quantiles of a number, the most frequent texts; missing ones come on top.
        max_rows: How many rows are asked about, drawn at random.
    """
    values = columns[column]
    grid = _number_grid(values, points) if is_number(values) else _text_grid(values, points)
    rows = np.sort(np.random.default_rng(0).permutation(len(values))[:max_rows])
    inputs = {name: np.tile(column_values[rows], len(grid)) for name, column_values in columns.items()}
    answers = predict({**inputs, column: np.repeat(grid, len(rows))})
    table = answers.reshape(len(grid), len(rows)).astype(np.float64)
    low, high = np.quantile(table, MOST, axis=1)
    # Rows from the lowest to the highest answers, evenly spread.
    by_answer = np.argsort(table.mean(axis=0), kind="stable")
    shown = by_answer[np.unique(np.linspace(0, len(rows) - 1, CURVES).astype(np.int64))]
    return Dependence(
        column=column,
        points=tuple(
            DependencePoint(value=_value(value), mean=mean, low=least, high=most)
            for value, mean, least, most in zip(grid, table.mean(axis=1), low, high, strict=True)
        ),
        curves=tuple(tuple(curve) for curve in table[:, shown].T.tolist()),
    )


def _number_grid(values: NDArray[Any], points: int) -> NDArray[Any]:
    known = values[np.isfinite(values)]
    if not len(known):
        return values[:1]
    grid = np.unique(np.quantile(known, np.linspace(0, 1, points), method="inverted_cdf"))
    is_missing = np.isnan(values)
    return np.concatenate([grid, values[is_missing][:1]])


def _text_grid(values: NDArray[Any], points: int) -> NDArray[Any]:
    counts = Counter(values.tolist())
    missing = [""] if counts.pop("", 0) else []
    frequent = sorted(counts, key=lambda text: (-counts[text], text))[:points]
    return np.array([*frequent, *missing], values.dtype)


def _value(value: Any) -> float | str | None:
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(value)
