"""Models that no training made: stored as trainer stores them, and told as blessed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import tensorflow as tf

from tidemill_contracts import layout
from tidemill_contracts.events import ModelBlessed
from tidemill_contracts.manifest import GoldenPredictions, ModelManifest
from tidemill_world import World


def bless(world: World, pipeline: str, version: int, answer: Callable[[Any], Any]) -> None:
    """Store a model that answers `probability` for `x`, and tell that it was found good."""
    signature = tf.function(
        lambda x: {"probability": answer(x)}, input_signature=[tf.TensorSpec([None], tf.float32, "x")]
    )
    folder = world.store.uri(layout.model_version(pipeline, version)).removeprefix("file://")
    tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature})
    golden = float(answer(tf.constant([1.0]))[0])
    facts: dict[str, Any] = {
        "pipeline": pipeline,
        "version": version,
        "model_id": f"{pipeline}-{version}",
        "dataset": version,
        "dataset_id": "d",
        "family": "deep",
        "metrics": {"roc_auc": 0.7},
        "champion": None,
    }
    manifest = ModelManifest(
        **facts,
        spec_digest="s",
        candidates={},
        champion_metrics=None,
        blessed=True,
        reasons=(),
        golden=GoldenPredictions(inputs={"x": (1.0,)}, outputs={"probability": (golden,)}),
        trained_at=datetime.now(UTC),
        tracking={},
    )
    name = layout.model_manifest(pipeline, manifest.model_id)
    world.store.write(name, manifest.model_dump_json().encode())
    spec = f"metadata: {{name: {pipeline}}}\nspec: {{label: y}}"
    world.store.create(layout.pipeline_spec(pipeline), spec.encode())
    world.tell(ModelBlessed(**facts, seconds=1))
