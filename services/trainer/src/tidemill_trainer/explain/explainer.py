"""How a model is explained: networks by their gradients, everything else by asking it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.explain import BeginsWithSum, Explanation
from tidemill_trainer.explain.gradients import BACKGROUND_ROWS, Gradients
from tidemill_trainer.explain.sampling import Sampling, walked_rows
from tidemill_trainer.families import Graph, Trained


def make_explainer(
    graph: Graph, answer: Callable[[Mapping[str, Any]], Any], trained: Trained, data: TrainingData
) -> Callable[[Mapping[str, Any]], Explanation]:
    """Return what explains raw columns in the graph of a trained model, of which `answer` is a function."""
    if isinstance(graph, BeginsWithSum) and graph.sum is not None:
        background = _background(trained, data, BACKGROUND_ROWS)
        return Gradients(graph.sum, trained.objective, trained.plan, background)
    background = _background(trained, data, walked_rows(len(trained.plan.features)))
    return Sampling(answer, trained.objective, background, seed=data.seed)


def _background(trained: Trained, data: TrainingData, rows: int) -> Columns:
    """Return so many training rows, or all if there are fewer, as serving gets them; always the same."""
    rng = np.random.default_rng(data.seed)
    chosen = rng.choice(len(data.train), min(rows, len(data.train)), replace=False)
    columns = data.train.take(np.sort(chosen)).columns()
    return {feature.name: columns[feature.name] for feature in trained.plan.features}
