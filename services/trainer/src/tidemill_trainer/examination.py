"""A trained model is exported, loaded back, and asked: it is judged by what will serve."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.events import Reason
from tidemill_contracts.golden import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_trainer.data import Columns, Rows, TrainingData, as_inputs
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.families import Trained
from tidemill_trainer.golden import golden_inputs, golden_predictions
from tidemill_trainer.trainings import Candidate

if TYPE_CHECKING:
    from tidemill_trainer.servable import Servable

# Rows that are asked for at a time: a model may need far more memory than its inputs.
MEASURED_ROWS = 8192


@dataclass(frozen=True)
class Range:
    """The least and the greatest of some numbers, of which none is infinite or missing."""

    least: float
    greatest: float


@dataclass(frozen=True)
class Contestant:
    """A candidate with its SavedModel on this machine.

    `answers` are those to the held-out rows, `[rows]` or `[rows, width]`, as the SavedModel gives them. They
    and the ranges, of all its weights and of these answers, are None where defects left none.
    """

    result: Candidate
    folder: Path
    golden: GoldenPredictions
    trained: Trained
    answers: NDArray[np.float32] | None = None
    weights_range: Range | None = None
    answers_range: Range | None = None


class _Defect(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code=code, message=message)


def examine(trained: Trained, data: TrainingData, folder: Path, *, seconds: float) -> Contestant:
    """Export a trained model to `folder`, which must not exist, and ask what was exported.

    Args:
        trained: The model, of any task and family.
        data: `held_out` is what it is measured on.
        folder: Where its SavedModel goes.
        seconds: What it took to train.
    """
    from tidemill_trainer.servable import NotServable, Servable  # noqa: PLC0415

    inputs = golden_inputs(data, trained.plan.features)
    outputs: Columns = {}
    found: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    defects: tuple[Reason, ...] = ()
    try:
        _export(trained, data, folder)
        with closing(Servable(folder)) as servable:
            found["weights_range"] = _range("weights", servable.weights())
            outputs = _check_golden(servable, inputs, trained.predict(inputs))
            answers = answer_rows(servable, data.held_out)
        found |= {"answers_range": _range("answers", [answers]), "answers": answers}
        metrics = measure_scored(data.scored(answers))
    except NotServable as error:
        defects = (Reason(code="not-servable", message=str(error)),)
    except _Defect as error:
        defects = (error.reason,)
    result = Candidate(
        family=trained.family,
        metrics=metrics,
        params=dict(trained.params),
        curves=dict(trained.curves),
        defects=defects,
        seconds=round(seconds, 3),
    )
    return Contestant(result, folder, golden_predictions(inputs, outputs), trained, **found)


def _export(trained: Trained, data: TrainingData, folder: Path) -> None:
    from tidemill_trainer.export.model import export  # noqa: PLC0415

    try:
        export(trained, data, folder)
    except Exception as error:
        # A model may be foreign code, which fails as it likes.
        message = f"expected a model that can be exported, received {type(error).__name__}: {error}"
        raise _Defect("not-exportable", message) from error


def answer_rows(servable: "Servable", rows: Rows) -> NDArray[np.float32]:
    """Ask a SavedModel for the answers to rows, whatever columns it takes; raise NotServable."""
    batches = rows.batches(MEASURED_ROWS)
    return np.concatenate([servable.predict(as_inputs(columns, servable.dtypes)) for columns in batches])


def _check_golden(servable: "Servable", inputs: Columns, expected: NDArray[np.float32]) -> Columns:
    """Return all outputs for the golden rows, whose answers must be those in memory, and finite."""
    received = servable.predict(inputs)
    if not np.allclose(received, expected, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE, equal_nan=True):
        message = f"expected the answers given in training, {expected}, received {received}"
        raise _Defect("not-servable", message)
    _range("answers", [received])
    return servable.outputs(inputs)


def _range(what: str, arrays: Sequence[NDArray[np.floating]]) -> Range | None:
    numbers = [array.ravel() for array in arrays if array.size]
    if not numbers:
        return None
    unsound = sum(int((~np.isfinite(array)).sum()) for array in numbers)
    if unsound:
        message = f"expected finite {what}, received {unsound} of {sum(map(len, numbers))} that are not"
        raise _Defect("not-finite", message)
    return Range(min(float(array.min()) for array in numbers), max(float(array.max()) for array in numbers))
