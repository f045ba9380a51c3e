"""The models that every server under test serves, here as SavedModels."""

from pathlib import Path
from typing import Any

import tensorflow as tf

VERSIONS = {"half_plus_two": 123, "pair": 1, "text": 1, "not_a_number": 1}


def save_models(folder: Path) -> None:
    """Write every model below `folder`, in the layout of a model base path each."""
    saves = {
        "half_plus_two": _half_plus_two(),
        "pair": _signature(_pair, a=tf.TensorSpec([None, 2], tf.float32), b=tf.TensorSpec([None], tf.int64)),
        "text": _signature(_text, name=tf.TensorSpec([None], tf.string)),
        "not_a_number": _signature(_not_a_number, x=tf.TensorSpec([None], tf.float32)),
    }
    for name, signatures in saves.items():
        path = folder / name / str(VERSIONS[name])
        tf.saved_model.save(tf.Module(), str(path), signatures=signatures)


def _signature(function: Any, **inputs: Any) -> dict[str, Any]:
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in inputs.items()}
    return {"serving_default": tf.function(function).get_concrete_function(**named)}


def _pair(a: Any, b: Any) -> dict[str, Any]:
    """Return the sum and the product of each row of `a` and its number in `b`."""
    column = tf.cast(b, tf.float32)[:, tf.newaxis]
    return {"sum": a + column, "product": a * column}


def _text(name: Any) -> dict[str, Any]:
    return {"greeting": tf.strings.join(["hello ", name])}


def _not_a_number(x: Any) -> dict[str, Any]:
    return {"y": x / 0.0}


def _half_plus_two() -> dict[str, Any]:
    def explain(x: Any) -> dict[str, Any]:
        rows = tf.shape(x)[0]
        return {
            "answer": x / 2 + 2,
            "baseline": tf.fill([rows], 2.0),
            "attributions": (x / 2)[:, tf.newaxis],
            "features": tf.fill([rows, 1], "x"),
        }

    def regress(inputs: Any) -> dict[str, Any]:
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        return {"outputs": x / 2 + 2}

    def classify(inputs: Any) -> dict[str, Any]:
        return {"scores": regress(inputs)["outputs"][:, tf.newaxis]}

    numbers = tf.TensorSpec([None], tf.float32, "x")
    examples = tf.TensorSpec([None], tf.string, "inputs")
    return {
        "serving_default": tf.function(lambda x: {"y": x / 2 + 2}).get_concrete_function(numbers),
        "explain": tf.function(explain).get_concrete_function(numbers),
        "regress_x_to_y": tf.function(regress).get_concrete_function(examples),
        "classify_x_to_y": tf.function(classify).get_concrete_function(examples),
    }
