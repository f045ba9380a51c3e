"""Held-out rows of every task, a model that answers them well, and one that does so less well."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from learned_data import data_of
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Feature, Task
from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.judging.aside import Aside
from tidemill_trainer.judging.held_out import HeldOut

FEATURES = (
    Feature(name="hour", kind="numeric"),
    Feature(name="<b>carrier</b>", kind="categorical"),
    Feature(name="noise", kind="numeric"),
    Feature(name="when", kind="timestamp"),
)
CARRIER = "<b>carrier</b>"
CARRIERS = ("AA", "DL", "", "<script>alert(1)</script>")
QUANTILES = (0.1, 0.5, 0.9)

Answer = Callable[[Columns], NDArray[Any]]


def columns_of(rows: int, seed: int = 0) -> dict[str, Any]:
    """Columns of rows, with gaps, as serving gets them."""
    random = np.random.default_rng(seed)
    return {
        "hour": np.where(random.random(rows) < 0.05, np.nan, random.integers(0, 24, rows)).astype(np.float32),
        CARRIER: np.array(CARRIERS, object)[random.integers(0, len(CARRIERS), rows)],
        "noise": random.normal(size=rows).astype(np.float32),
        "when": np.array([f"2013-01-{1 + day:02}T00:00:00Z" for day in random.integers(0, 28, rows)], object),
    }


def score(columns: Columns) -> NDArray[np.float64]:
    """What the label depends on."""
    hour = np.nan_to_num(columns["hour"].astype(np.float64), nan=12)
    scores: NDArray[np.float64] = (hour - 14) / 4 + (columns[CARRIER] == "DL") * 0.8
    return scores


def answers_of(task: Task, *, quantiles: bool = False, sharpness: float = 1.0) -> Answer:
    """A model: calibrated at a sharpness of 1, and less good at less."""

    def answer(columns: Columns) -> NDArray[Any]:
        answers: NDArray[Any] = sharpness * score(columns)
        if task == "binary":
            answers = special.expit(answers)
        elif task == "multiclass":
            answers = special.softmax(np.stack([-answers, np.zeros_like(answers), answers], axis=1), axis=1)
        elif quantiles:
            answers = answers[:, None] + special.ndtri(QUANTILES)
        return answers.astype(np.float32)

    return answer


def labels_of(task: Task, columns: Columns) -> NDArray[Any]:
    """Labels that come of the scores of rows."""
    rows, random = len(columns["hour"]), np.random.default_rng(1)
    if task == "binary":
        labels: NDArray[Any] = random.random(rows) < answers_of(task)(columns)
    elif task == "multiclass":
        reached = answers_of(task)(columns).cumsum(axis=1) < random.random((rows, 1))
        labels = np.array(["early", "in time", "late"])[reached.sum(axis=1).clip(0, 2)]
    else:
        labels = score(columns) + random.normal(size=rows)
    return labels


def data_for(task: Task, rows: int = 2000, **training: Any) -> TrainingData:
    """Rows with such labels, as many to train as are held out."""
    columns = columns_of(2 * rows)
    table = pa.table({**columns, LABEL_COLUMN: pa.array(labels_of(task, columns))})
    return data_of(table.slice(rows), FEATURES, held_out=table.slice(0, rows), **training)


def held_out_of(data: TrainingData, **aside: Any) -> HeldOut:
    """The held-out rows, of which the last half is of the newest span; carriers and hours are looked at."""
    columns, rows = data.held_out.columns(), len(data.held_out)
    facts = {
        "columns": {
            "carrier": columns[CARRIER],
            "hour": columns["hour"],
            "sex": np.array(["m", "f"], object)[np.arange(rows) % 2],
        },
        "is_newest": np.arange(rows) >= rows // 2,
        "units": None,
        "absent": {},
    }
    return HeldOut(data.held_out, data.features, data.objective, Aside(**{**facts, **aside}))


def spec_of(**fields: Any) -> PipelineSpec:
    """A spec with slices."""
    return PipelineSpec.model_validate({"label": "y", "slices": [["carrier"]], **fields})
