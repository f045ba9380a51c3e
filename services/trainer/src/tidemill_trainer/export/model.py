"""A trained model becomes a SavedModel."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

from tidemill_contracts.profile import Feature
from tidemill_trainer.data import TrainingData
from tidemill_trainer.explain.explainer import make_explainer
from tidemill_trainer.export.assets import write_assets
from tidemill_trainer.export.saved_model import write_saved_model
from tidemill_trainer.export.signatures import raw_inputs, signatures
from tidemill_trainer.export.warmup import write_warmup
from tidemill_trainer.families import Graph, Trained


def export(trained: Trained, data: TrainingData, folder: Path) -> None:
    """Write a trained model to a folder that does not exist: signatures, assets, warm-up requests."""
    features, objective = trained.plan.features, trained.objective
    with TemporaryDirectory() as parts:
        graph = trained.graph(Path(parts))
        answer = _once(graph, features)
        explain = make_explainer(graph, answer, trained, data)
        ways = signatures(features, data.profile, objective, answer, explain)
        write_saved_model(folder, graph.owners, list(ways))
    write_assets(folder, trained, data.profile)
    write_warmup(folder, trained, data)


def _once(graph: Graph, features: Sequence[Feature]) -> Callable[[Mapping[str, Any]], Any]:
    """Let all signatures call one function, so that the model is written once."""
    specs = raw_inputs(features)

    @tf.function(input_signature=[list(specs.values())], autograph=False)  # type: ignore[untyped-decorator]
    def answer(tensors: Sequence[Any]) -> Any:
        return graph(dict(zip(specs, tensors, strict=True)))

    return lambda raw: answer([raw[name] for name in specs])
