"""Real models, and real model servers in processes of their own."""

import json
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
import ydf

from tidemill_contracts import tfserving

START_SECONDS = 60
RETRY_FAST = ("--max-num-load-retries=1", "--load-retry-interval-micros=50000")
POLL_FAST = ("--file-system-poll-wait-seconds=0.05",)


@dataclass(frozen=True)
class Server:
    """A running model server, the addresses it printed and the file it logs to."""

    process: subprocess.Popen[str]
    channel: grpc.Channel
    addresses: Mapping[str, str]
    log: Path


def save_half_plus(folder: Path, offset: float) -> None:
    """y = x / 2 + offset, through every kind of signature; `parse` can fail, `spin` takes its time.

    `halve` is of floats of sixteen bits.
    """
    module = tf.Module()
    module.offset = tf.Variable(float(offset))

    def predict(x: Any) -> Any:
        return {"y": x / 2 + module.offset, "doubled": x * 2}

    def regress(inputs: Any) -> Any:
        parsed = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})
        return {"outputs": parsed["x"] / 2 + module.offset}

    def classify(inputs: Any) -> Any:
        scores = regress(inputs)["outputs"][:, tf.newaxis]
        return {"scores": scores, "classes": tf.fill(tf.shape(scores), "half")}

    def parse(text: Any) -> Any:
        return {"y": tf.strings.to_number(text)}

    def spin(turns: Any) -> Any:
        return {"y": tf.while_loop(lambda turn: turn < turns, lambda turn: (turn + 1,), (tf.constant(0),))[0]}

    def halve(half: Any, brain: Any) -> Any:
        return {"half": half / 2, "brain": brain / 2}

    strings = tf.TensorSpec([None], tf.string)
    short_floats = [tf.TensorSpec([None], tf.float16), tf.TensorSpec([None], tf.bfloat16)]
    signatures = {
        "serving_default": tf.function(predict, input_signature=[tf.TensorSpec([None], tf.float32)]),
        "classify_x": tf.function(classify, input_signature=[strings]),
        "regress_x": tf.function(regress, input_signature=[strings]),
        "parse": tf.function(parse, input_signature=[strings]),
        "halve": tf.function(halve, input_signature=short_floats),
        "spin": tf.function(spin, input_signature=[tf.TensorSpec([], tf.int32)]),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


def save_keras(folder: Path) -> None:
    size, colour = keras.Input((), name="size"), keras.Input((), name="colour", dtype="string")
    scaled = keras.layers.Normalization(axis=None, mean=38.6, variance=180.3)(size)
    one_hot = keras.layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot")(
        keras.layers.Reshape((1,))(colour)
    )
    columns = keras.layers.Concatenate()([keras.layers.Reshape((1,))(scaled), one_hot])
    hidden = keras.layers.Dense(64, activation="relu")(columns)
    model = keras.Model({"size": size, "colour": colour}, keras.layers.Dense(1, activation="sigmoid")(hidden))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda inputs: {"probability": model(inputs, training=False)},
        input_signature=[
            {name: tf.TensorSpec((None,), model.input[name].dtype, name) for name in model.input}
        ],
    )
    archive.write_out(str(folder), verbose=False)


def save_trees(folder: Path) -> None:
    random = np.random.default_rng(7)
    size = random.normal(size=300).astype(np.float32)
    colour = random.choice(["red", "green", "blue"], 300)
    rows = {"size": size, "colour": colour, "label": (size > 0) & (colour == "red")}
    model = ydf.GradientBoostedTreesLearner(label="label", num_trees=10).train(rows, verbose=0)
    model.to_tensorflow_saved_model(str(folder), mode="tf")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base paths: `keras` and `trees` take raw columns, `zero` and `one` are half-plus by offset."""
    root = tmp_path_factory.mktemp("models")
    save_keras(root / "keras" / "1")
    save_trees(root / "trees" / "1")
    save_half_plus(root / "zero" / "1", offset=0)
    save_half_plus(root / "one" / "1", offset=1)
    return root


@contextmanager
def running(log: Path, *flags: str) -> Iterator[Server]:
    """Run a model server until the block ends, starting it at the ready line."""
    command = [sys.executable, "-m", "tidemill_local.modelserver", "--port=0", *flags]
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("w"))
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ""
        assert line, f"expected a ready line, received nothing; log: {log.read_text()[-2000:]}"
        addresses = json.loads(line)
        unlimited = [("grpc.max_receive_message_length", -1)]
        channel = stack.enter_context(grpc.insecure_channel(addresses["grpc"], options=unlimited))
        yield Server(process, channel, addresses, log)
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`with start(*flags) as server:` runs a model server for the block."""
    return partial(running, tmp_path_factory.mktemp("log") / "stderr")


@pytest.fixture(scope="session")
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(models: Path, free_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of `keras`, `trees`, `zero` and `corrupt`, whose version 1 cannot be loaded."""
    corrupt = models / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "saved_model.pb").write_bytes(b"not a model")
    names = ("keras", "corrupt", "trees", "zero")
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(
        str(
            tfserving.ModelServerConfig(
                model_config_list={
                    "config": [
                        {"name": name, "base_path": str(models / name), "model_platform": "tensorflow"}
                        for name in names
                    ]
                }
            )
        )
    )
    log = tmp_path_factory.mktemp("server") / "stderr"
    flags = (f"--model_config_file={config}", f"--monitoring_port={free_port}", *RETRY_FAST)
    with running(log, *flags) as running_server:
        yield running_server


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server started without models, for tests that push configurations. Full replacement isolates them."""
    log = tmp_path_factory.mktemp("empty") / "stderr"
    with running(log, *POLL_FAST, *RETRY_FAST) as running_server:
        yield running_server
