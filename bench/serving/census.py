"""The task of the benchmark: 6 numbers and 8 texts of a person in, a probability out.

python bench/serving/census.py FOLDER      writes the model (needs TensorFlow and Keras)
"""

import random
import sys
from pathlib import Path

NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
TEXTS = {
    "workclass": 9,
    "education": 16,
    "marital_status": 7,
    "occupation": 15,
    "relationship": 6,
    "race": 5,
    "sex": 2,
    "native_country": 42,
}
VERSION = "1"


def rows(count: int) -> list[dict[str, float | str]]:
    """Return instances, always the same ones."""
    chance = random.Random(1)  # noqa: S311 - not about secrets
    return [
        {name: float(chance.randrange(90)) for name in NUMBERS}
        | {name: f"{name}_value_{chance.randrange(size)}" for name, size in TEXTS.items()}
        for _ in range(count)
    ]


def write_model(folder: Path) -> None:
    """Write a SavedModel: preprocessing in the graph, two layers of 64. Its weights are as they fell."""
    import keras  # noqa: PLC0415 - servers read the names above without it
    import tensorflow as tf  # noqa: PLC0415

    keras.utils.set_random_seed(7)
    inputs = {name: keras.Input((1,), name=name, dtype="float32") for name in NUMBERS}
    parts = [keras.layers.Rescaling(0.02, -0.5)(inputs[name]) for name in NUMBERS]
    for name, size in TEXTS.items():
        inputs[name] = keras.Input((1,), name=name, dtype="string")
        vocabulary = [f"{name}_value_{number}" for number in range(size)]
        index = keras.layers.StringLookup(vocabulary=vocabulary)(inputs[name])
        parts.append(keras.layers.Flatten()(keras.layers.Embedding(size + 1, 8)(index)))
    hidden = keras.layers.Concatenate()(parts)
    for _ in range(2):
        hidden = keras.layers.Dense(64, activation="relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))

    def serve(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        upright = {name: tf.expand_dims(column, -1) for name, column in columns.items()}
        return {"probability": tf.squeeze(model(upright, training=False), -1)}

    types = dict.fromkeys(NUMBERS, tf.float32) | dict.fromkeys(TEXTS, tf.string)
    signature = {name: tf.TensorSpec((None,), dtype, name=name) for name, dtype in types.items()}
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serve, input_signature=[signature])
    archive.write_out(str(folder / VERSION))


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
