"""Families compete: each is trained, exported, loaded back, and measured as it will serve."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.training_spec import Family
from tidemill_trainer import evaluate
from tidemill_trainer.data import Columns, Rows, TrainingData, as_inputs, dtype_of, missing
from tidemill_trainer.families import WITHOUT_TENSORFLOW, Examples, Trained, load_family
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.preprocessing.plan import make_plan
from tidemill_trainer.trainings import Candidate

GOLDEN_ROWS = 16
# Rows that are asked for at a time: a model may need far more memory than its inputs.
MEASURED_ROWS = 8192
# How far the exported model may be from the one in memory: rounding, not another answer.
TOLERANCE = 1e-4
DECIDING_METRICS = ("roc_auc", "log_loss", "accuracy")


@dataclass(frozen=True)
class Contestant:
    """A candidate with its SavedModel on this machine."""

    result: Candidate
    folder: Path
    golden: GoldenPredictions


def compete(families: Sequence[Family], data: TrainingData, folder: Path) -> Iterator[Contestant]:
    """Train every family at once, and yield each as it finishes; SavedModels are written below `folder`."""
    begin = time.perf_counter()
    plan = make_plan(data)
    examples = Examples(plan, encode_rows(plan, data.train), data.train.labels, data.seed)
    early = [family for family in families if family in WITHOUT_TENSORFLOW]
    late = [family for family in families if family not in WITHOUT_TENSORFLOW]
    with ThreadPoolExecutor(len(families)) as pool:
        # Only this thread imports: two that load the same packages at once may see each other's halves.
        fits = {pool.submit(load_family(family), examples): family for family in early}
        import tensorflow as tf  # noqa: F401, PLC0415

        fits |= {pool.submit(load_family(family), examples): family for family in late}
        for fit in as_completed(fits):
            yield examine(fits[fit], fit.result(), data, folder / fits[fit], begin)


def measure(folder: Path, rows: Rows, base_rate: float) -> dict[str, float]:
    """Return the metrics of a SavedModel on rows, whatever columns it takes; raise NotServable."""
    from tidemill_trainer.servable import Servable  # noqa: PLC0415

    with closing(Servable(folder)) as servable:
        probabilities = np.concatenate(
            [servable.predict(as_inputs(columns, servable.dtypes)) for columns in rows.batches(MEASURED_ROWS)]
        )
    return evaluate.metrics(rows.labels, probabilities, base_rate)


def examine(family: Family, trained: Trained, data: TrainingData, folder: Path, begin: float) -> Contestant:
    """Export a trained model to `folder`, and measure what was exported; `begin` is when training began."""
    from tidemill_trainer.export import write_warmup  # noqa: PLC0415
    from tidemill_trainer.servable import NotServable  # noqa: PLC0415

    inputs = _golden_inputs(data)
    trained.export(folder)
    write_warmup(folder, data.pipeline, inputs)
    answers: NDArray[np.float32] = np.array([], np.float32)
    metrics: dict[str, float] = {}
    try:
        answers = _check_answers(folder, inputs, trained.predict(inputs))
        metrics = measure(folder, data.held_out, data.base_rate)
        defects = _not_finite(metrics)
    except NotServable as error:
        defects = (Reason(code="not-servable", message=str(error)),)
    result = Candidate(
        family=family,
        metrics=metrics,
        params=dict(trained.params),
        curves=dict(trained.curves),
        defects=defects,
        seconds=round(time.perf_counter() - begin, 3),
    )
    return Contestant(result, folder, _golden(inputs, answers))


def _golden_inputs(data: TrainingData) -> Columns:
    """Return held-out rows, spread out, and one row in which everything is missing."""
    spread = np.linspace(0, len(data.held_out) - 1, GOLDEN_ROWS - 1).astype(np.int64)
    chosen = data.held_out.take(np.unique(spread)).columns()
    return {
        feature.name: np.concatenate([chosen[feature.name], missing(dtype_of(feature), 1)])
        for feature in data.features
    }


def _check_answers(folder: Path, inputs: Columns, expected: NDArray[np.float32]) -> NDArray[np.float32]:
    from tidemill_trainer.servable import NotServable, Servable  # noqa: PLC0415

    with closing(Servable(folder)) as servable:
        answers = servable.predict(inputs)
    if not np.allclose(answers, expected, rtol=0, atol=TOLERANCE, equal_nan=True):
        raise NotServable(f"expected the answers given in training, {expected}, received {answers}")
    return answers


def _not_finite(metrics: Mapping[str, float]) -> tuple[Reason, ...]:
    undefined = [name for name in DECIDING_METRICS if name not in metrics]
    message = f"expected finite {', '.join(undefined)}, received predictions that have none"
    return (Reason(code="not-finite", message=message),) if undefined else ()


def _golden(inputs: Columns, answers: NDArray[np.float32]) -> GoldenPredictions:
    columns = {
        name: tuple(None if value != value else value for value in values.tolist())  # noqa: PLR0124 - NaN
        for name, values in inputs.items()
    }
    return GoldenPredictions(inputs=columns, outputs={"probability": tuple(map(float, answers))})
