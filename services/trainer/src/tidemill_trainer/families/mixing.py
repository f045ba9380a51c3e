"""Several models as one, which answers with their weighted sum. Members of one plan preprocess once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.families import Graph, Trained
from tidemill_trainer.families.on_encoded import Core, Whole


def mix_answers(answers: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    """Return the weighted sum of answers, as the graph adds them up."""
    mixed: NDArray[np.float32] = _sum(answers, weights)
    return mixed


def mix_graphs(members: Sequence[Trained], weights: Sequence[float], folder: Path) -> Graph:
    """Return a graph that answers with the weighted sum; files in `folder` must stay until it is exported."""
    graphs = []
    for place, member in enumerate(members):
        below = folder / f"member-{place}"
        below.mkdir(parents=True)
        graphs.append(member.graph(below))
    wholes = [graph for graph in graphs if isinstance(graph, Whole) and graph.plan == members[0].plan]
    if len(wholes) < len(graphs):
        return _Mixed(graphs, weights)
    return Whole(members[0].plan, wholes[0].preprocessor, _Mixed([whole.core for whole in wholes], weights))


@dataclass(frozen=True)
class _Mixed:
    """Graphs, which take raw features, or the cores of graphs, which take encoded ones."""

    members: Sequence[Graph] | Sequence[Core]
    weights: Sequence[float]

    @property
    def owners(self) -> Sequence[Any]:
        return [owner for member in self.members for owner in member.owners]

    def __call__(self, inputs: Any) -> Any:
        return _sum([member(inputs) for member in self.members], self.weights)


def _sum(answers: Sequence[Any], weights: Sequence[float]) -> Any:
    whole = answers[0] * np.float32(weights[0])
    for answer, weight in zip(answers[1:], weights[1:], strict=True):
        whole = whole + answer * np.float32(weight)
    return whole
