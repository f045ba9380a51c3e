"""Models whose probabilities come true: corrected, where that helps, by a map that is exported with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import Columns
from tidemill_trainer.evaluation.calibration import calibrate
from tidemill_trainer.evaluation.scored import SMALLEST_PROBABILITY
from tidemill_trainer.evaluation.temperature import calibrate_classes
from tidemill_trainer.explain import BeginsWithSum, Sum, Summing
from tidemill_trainer.families import Curves, Examples, Graph, Params, Trained
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan


class Correction(Protocol):
    """A map of probabilities, for arrays and for tensors."""

    @property
    def params(self) -> Params: ...

    def in_memory(self, answers: NDArray[np.float32]) -> NDArray[np.float32]: ...

    def in_graph(self, answers: Any) -> Any: ...


def find_correction(
    objective: Objective,
    answers: NDArray[np.float32],
    labels: NDArray[Any],
    *,
    weights: NDArray[np.float32] | None = None,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
) -> Correction | None:
    """Return what makes a model's probabilities come true; None where nothing helps significantly.

    Args:
        objective: What it answers; numbers are not corrected.
        answers: Its answers to rows of which it has learned none, `[rows]` or `[rows, classes]`.
        labels: What was true of them: bool, or int32 class indices (-1: none), `[rows]`.
        weights: How often each of them counts, `[rows]`; None: once.
        groups: Anything, `[rows]`: rows with the same value are not independent of each other; None: all are.
        seed: Of their division into folds.
    """
    if objective.task == "regression" or not np.isfinite(answers).all():
        return None
    scored = objective.scored(labels, answers, weights, groups)
    if objective.task == "binary":
        curve = calibrate(scored, seed=seed)
        return Curve.of(curve.method, curve.x, curve.y) if curve else None
    temperature = calibrate_classes(scored, seed=seed)
    return Temperature(temperature.temperature) if temperature else None


@dataclass(frozen=True)
class Curve:
    """A map of P(true), linear between knots; the same bits in memory and in a graph."""

    method: str
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    slopes: NDArray[np.float32]

    @classmethod
    def of(cls, method: str, x: Sequence[float], y: Sequence[float]) -> "Curve":
        """Make the map through the points, whose x rises."""
        slopes = np.append(np.diff(y) / np.diff(x), 0)
        return cls(method, *(np.array(values, np.float32) for values in (x, y, slopes)))

    @property
    def params(self) -> Params:
        """What was done."""
        return {"calibration": self.method, "calibration_knots": len(self.x)}

    def in_memory(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Correct P(true), `[rows]`."""
        place = np.maximum(np.searchsorted(self.x, answers, "right") - 1, 0)
        mapped = self.y[place] + (answers - self.x[place]) * self.slopes[place]
        return np.minimum(np.maximum(mapped, np.float32(0)), np.float32(1))

    def in_graph(self, answers: Any) -> Any:
        """Correct P(true), `[rows]`."""
        import tensorflow as tf  # noqa: PLC0415

        place = tf.maximum(tf.searchsorted(self.x, answers, "right") - 1, 0)
        mapped = tf.gather(self.y, place) + (answers - tf.gather(self.x, place)) * tf.gather(
            self.slopes, place
        )
        return tf.minimum(tf.maximum(mapped, np.float32(0)), np.float32(1))


@dataclass(frozen=True)
class Temperature:
    """One number that the logits of all classes are divided by."""

    temperature: float

    @property
    def params(self) -> Params:
        """What was done."""
        return {"calibration": "temperature", "temperature": self.temperature}

    def in_memory(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Correct probabilities, `[rows, classes]`; loads TensorFlow."""
        import tensorflow as tf  # noqa: PLC0415

        corrected: NDArray[np.float32] = self.in_graph(tf.constant(answers)).numpy()
        return corrected

    def in_graph(self, answers: Any) -> Any:
        """Correct probabilities, `[rows, classes]`."""
        import tensorflow as tf  # noqa: PLC0415

        logs = tf.math.log(tf.maximum(answers, np.float32(SMALLEST_PROBABILITY)))
        return tf.nn.softmax(logs * np.float32(1 / self.temperature))


@dataclass(frozen=True)
class Calibrated:
    """A trained model with corrected answers; see `Trained`."""

    trained: Trained
    correction: Correction

    @property
    def family(self) -> Family:
        """That of the model."""
        return self.trained.family

    @property
    def params(self) -> Params:
        """Those of the model, and of the correction."""
        return {**self.trained.params, **self.correction.params}

    @property
    def curves(self) -> Curves:
        """Those of the model."""
        return self.trained.curves

    @property
    def plan(self) -> Plan:
        """That of the model."""
        return self.trained.plan

    @property
    def objective(self) -> Objective:
        """That of the model."""
        return self.trained.objective

    def predict(self, columns: Columns) -> NDArray[np.float32]:
        """Answer rows as serving gets them."""
        return self.correction.in_memory(self.trained.predict(columns))

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        """Answer rows that are encoded already."""
        return self.correction.in_memory(self.trained.answer(examples))

    def graph(self, folder: Path) -> Graph:
        """Return the model and the correction behind it."""
        return _CalibratedGraph(self.trained.graph(folder), self.correction)


@dataclass(frozen=True)
class _CalibratedGraph:
    graph: Graph
    correction: Correction

    @property
    def owners(self) -> Sequence[Any]:
        return self.graph.owners

    @property
    def sum(self) -> Sum | None:
        inner = self.graph.sum if isinstance(self.graph, BeginsWithSum) else None
        return inner and Sum(inner.encode, _CalibratedNetwork(inner.network, self.correction))

    def __call__(self, raw: Mapping[str, Any]) -> Any:
        return self.correction.in_graph(self.graph(raw))


@dataclass(frozen=True)
class _CalibratedNetwork:
    network: Summing
    correction: Correction

    def total(self, encoded: Encoded) -> Any:
        return self.network.total(encoded)

    def finish(self, total: Any) -> Any:
        return self.correction.in_graph(self.network.finish(total))
