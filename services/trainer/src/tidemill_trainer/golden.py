"""Golden rows: rows that a model is asked wherever it is loaded, which must answer them as in training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.profile import Feature
from tidemill_trainer.data import NUMBER, Columns, TrainingData, dtype_of, missing

GOLDEN_ROWS = 16
# Far from all that training has seen, as placeholders in data are, and yet a number that can be squared.
EXTREME_NUMBER = 1e12
EXTREME_TEXT = "9999-12-31T23:59:59.999999-23:59 \U0001f6a2 İ\u0301 " * 8


def golden_inputs(data: TrainingData, features: Sequence[Feature]) -> Columns:
    """Return held-out rows, spread out, a row of extreme values, and one in which everything is missing."""
    spread = np.linspace(0, len(data.held_out) - 1, GOLDEN_ROWS - 2).astype(np.int64)
    chosen = data.held_out.take(np.unique(spread)).columns()
    return {
        feature.name: np.concatenate(
            [chosen[feature.name], _extreme(feature, index), missing(dtype_of(feature), 1)]
        )
        for index, feature in enumerate(features)
    }


def golden_predictions(inputs: Columns, outputs: Columns) -> GoldenPredictions:
    """Return golden rows and all that a model answers to them, as a manifest holds them."""
    columns = {
        name: tuple(None if value != value else value for value in values.tolist())  # noqa: PLR0124 - NaN
        for name, values in inputs.items()
    }
    answers = {name: _rows(values) for name, values in outputs.items()}
    return GoldenPredictions(inputs=columns, outputs=answers)


def _extreme(feature: Feature, index: int) -> NDArray[np.generic]:
    if dtype_of(feature) == NUMBER:
        return np.array([EXTREME_NUMBER * (-1) ** index], np.float32)
    return np.array([EXTREME_TEXT], object)


def _rows(values: NDArray[np.generic]) -> tuple[float | str | tuple[float, ...], ...]:
    if values.dtype == object:
        return tuple(text.decode() for text in values.tolist())
    return tuple(tuple(row) if isinstance(row, list) else row for row in values.tolist())
