"""Requests that TensorFlow Serving sends to a model before it is available, one for every signature."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tidemill_contracts import tensors, tfserving
from tidemill_trainer.data import Columns, TrainingData
from tidemill_trainer.export.examples import to_examples
from tidemill_trainer.export.signatures import CLASSIFICATION, DEFAULT, EXAMPLES, EXPLAIN, REGRESSION
from tidemill_trainer.families import Trained
from tidemill_trainer.objective import Objective

# Where TensorFlow Serving looks for them.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_warmup(folder: Path, trained: Trained, data: TrainingData) -> None:
    """Add a recorded request per signature to a SavedModel, each with one held-out row."""
    features = trained.plan.features
    columns = data.held_out.take(np.zeros(1, np.int64)).columns()
    row = {feature.name: columns[feature.name] for feature in features}
    (example,) = to_examples(row, features, data.profile)
    file = folder / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in _logs(data.pipeline, trained.objective, row, example):
            writer.write(tfserving.PredictionLog(**log).SerializeToString())


def _logs(model: str, objective: Objective, row: Columns, example: Any) -> Iterator[dict[str, Any]]:
    serialized = np.array([example.SerializeToString()], object)
    for signature, inputs in ((DEFAULT, row), (EXPLAIN, row), (EXAMPLES, {"examples": serialized})):
        request = tfserving.PredictRequest(model_spec={"name": model, "signature_name": signature})
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tensors.to_proto(values))
        yield {"predict_log": {"request": request}}
    asked = {"example_list": {"examples": [example]}}
    if objective.task != "regression":
        spec = {"name": model, "signature_name": CLASSIFICATION}
        yield {"classify_log": {"request": {"model_spec": spec, "input": asked}}}
    if objective.task != "multiclass":
        spec = {"name": model, "signature_name": REGRESSION}
        yield {"regress_log": {"request": {"model_spec": spec, "input": asked}}}
