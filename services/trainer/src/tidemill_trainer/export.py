"""SavedModels that take raw features under their own names, and the requests that warm them up."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.profile import Feature
from tidemill_trainer.data import NUMBER, Columns, dtype_of

SIGNATURE = "serving_default"
OUTPUT = "probability"
# Where TF Serving looks for requests to send to a model before it is available.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"

Predict = Callable[[Mapping[str, Any]], Any]


def write_saved_model(
    folder: Path, features: Sequence[Feature], *, tracked: Sequence[Any], predict: Predict
) -> None:
    """Write a SavedModel with one signature: raw columns `[rows]` in, `probability` `[rows]` out.

    Args:
        folder: Where to write; it must not exist.
        features: What the signature takes: float32 with NaN for missing, or string with "" for missing.
        tracked: The Keras models and TensorFlow modules that own the variables, tables and assets.
        predict: From a tensor per feature name to P(true), `[rows]`.
    """
    # TensorFlow takes only identifiers as argument names, and folds case; a column may have any name.
    names = {f"feature_{index}": feature.name for index, feature in enumerate(features)}
    specs = {
        argument: tf.TensorSpec([None], tf.float32 if dtype_of(feature) == NUMBER else tf.string, argument)
        for argument, feature in zip(names, features, strict=True)
    }
    archive = keras.export.ExportArchive()
    for owner in tracked:
        archive.track(owner)
    archive.add_endpoint(
        SIGNATURE,
        lambda inputs: {OUTPUT: predict({names[argument]: tensor for argument, tensor in inputs.items()})},
        input_signature=[specs],
    )
    archive.write_out(str(folder), verbose=False)
    _rename_inputs(folder / "saved_model.pb", names)


def write_warmup(folder: Path, model: str, inputs: Columns) -> None:
    """Add a recorded request with these rows to a SavedModel."""
    request = tfserving.PredictRequest(model_spec=tfserving.ModelSpec(name=model, signature_name=SIGNATURE))
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(values))
    log = tfserving.PredictionLog(predict_log=tfserving.PredictLog(request=request))
    file = folder / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())


def _rename_inputs(file: Path, names: Mapping[str, str]) -> None:
    model = SavedModel.FromString(file.read_bytes())
    for graph in model.meta_graphs:
        inputs = graph.signature_def[SIGNATURE].inputs
        renamed = {name: inputs.pop(argument) for argument, name in names.items()}
        for name, tensor in renamed.items():
            inputs[name].CopyFrom(tensor)
        # `tf.saved_model.load` goes by the functions' own keywords.
        for node in graph.object_graph_def.nodes:
            if node.HasField("bare_concrete_function"):
                keywords = node.bare_concrete_function.argument_keywords
                keywords[:] = [names.get(keyword, keyword) for keyword in keywords]
    file.write_bytes(model.SerializeToString())
