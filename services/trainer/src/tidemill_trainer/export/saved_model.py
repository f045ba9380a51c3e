"""SavedModels with several signatures, whose inputs have any name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

Method = Literal["predict", "classify", "regress"]


@dataclass(frozen=True)
class Signature:
    """One way to ask a model.

    Args:
        name: What clients call it.
        inputs: A tensor per input: its type and shape.
        answer: From those to a tensor per output.
        method: The call of TensorFlow Serving that it answers.
    """

    name: str
    inputs: Mapping[str, tf.TensorSpec]
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    method: Method = "predict"


def write_saved_model(folder: Path, tracked: Sequence[Any], signatures: Sequence[Signature]) -> None:
    """Write a SavedModel. Signatures with one input of the same type and shape share its tensor.

    Args:
        folder: Where to write; it must not exist.
        tracked: The Keras models and TensorFlow modules that own the variables, tables and assets.
        signatures: One of them is `serving_default`.
    """
    # TensorFlow takes only identifiers as argument names, and folds case; an input may have any name.
    names = {
        f"input_{index}_{place}": name
        for index, signature in enumerate(signatures)
        for place, name in enumerate(signature.inputs)
    }
    archive = keras.export.ExportArchive()
    for owner in tracked:
        archive.track(owner)
    for index, signature in enumerate(signatures):
        _add_endpoint(archive, index, signature, names)
    archive.write_out(str(folder), verbose=False)
    file = folder / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    for graph in model.meta_graphs:
        _rename_inputs(graph, names)
        _share_input(graph, [signature.name for signature in signatures if len(signature.inputs) == 1])
        for signature in signatures:
            graph.signature_def[signature.name].method_name = f"tensorflow/serving/{signature.method}"
    file.write_bytes(model.SerializeToString())


def _add_endpoint(archive: Any, index: int, signature: Signature, names: Mapping[str, str]) -> None:
    specs = {
        f"input_{index}_{place}": tf.TensorSpec(spec.shape, spec.dtype, f"input_{index}_{place}")
        for place, spec in enumerate(signature.inputs.values())
    }

    def answer(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return signature.answer({names[argument]: tensor for argument, tensor in inputs.items()})

    archive.add_endpoint(signature.name, answer, input_signature=[specs])


def _rename_inputs(graph: MetaGraphDef, names: Mapping[str, str]) -> None:
    for definition in graph.signature_def.values():
        original = SignatureDef.FromString(definition.SerializeToString())
        definition.inputs.clear()
        for argument, tensor in original.inputs.items():
            definition.inputs[names[argument]].CopyFrom(tensor)
    # `tf.saved_model.load` goes by the functions' own keywords.
    for node in graph.object_graph_def.nodes:
        if node.HasField("bare_concrete_function"):
            keywords = node.bare_concrete_function.argument_keywords
            keywords[:] = [names.get(keyword, keyword) for keyword in keywords]


def _share_input(graph: MetaGraphDef, signatures: Sequence[str]) -> None:
    """Let signatures read one tensor: MultiInference asks several at once, and takes them only so."""
    shared: dict[tuple[int, bytes], str] = {}
    replaced: dict[str, str] = {}
    for name in signatures:
        (tensor,) = graph.signature_def[name].inputs.values()
        kind = (tensor.dtype, tensor.tensor_shape.SerializeToString())
        first = shared.setdefault(kind, tensor.name)
        if first != tensor.name:
            replaced[tensor.name.partition(":")[0]] = first.partition(":")[0]
            tensor.name = first
    for node in graph.graph_def.node:
        node.input[:] = [replaced.get(source, source) for source in node.input]
    kept = [node for node in graph.graph_def.node if node.name not in replaced]
    del graph.graph_def.node[:]
    graph.graph_def.node.extend(kept)
